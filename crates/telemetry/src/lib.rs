//! Logs, traces, metrics and the layers both transports share.
