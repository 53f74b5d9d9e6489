//! The place of the Redis adapters: event stream, wake-ups and shared rate limits.
