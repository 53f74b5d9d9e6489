//! How lines leave: through a bounded queue to a thread of their own, so that whoever reads our
//! output can be slow without slowing down a request.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many lines may wait.
const LONGEST_QUEUE: usize = 4096;

/// Takes whole lines.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Takes a line, with its end.
    fn write(&self, line: String);
}

/// The queue. Lines that do not fit are dropped and counted.
#[derive(Clone)]
pub(crate) struct Queue(SyncSender<Message>);

enum Message {
    Line(String),
    /// Answer when everything before this is written.
    Flush(SyncSender<()>),
}

impl Queue {
    /// A queue to this writer.
    pub(crate) fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(LONGEST_QUEUE);
        thread::Builder::new().name("log".into()).spawn(move || write_all(&receiver, out))?;
        Ok(Self(sender))
    }

    /// Waits until everything taken so far is written, but not longer than this.
    pub(crate) fn flush(&self, patience: Duration) {
        let Some(deadline) = Instant::now().checked_add(patience) else { return };
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(unsent)) = self.0.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(1));
            message = unsent;
        }
        let rest = deadline.saturating_duration_since(Instant::now());
        // Late or not: there is nobody left to tell.
        let _ = written.recv_timeout(rest);
    }
}

impl Sink for Queue {
    fn write(&self, line: String) {
        if self.0.try_send(Message::Line(line)).is_err() {
            metrics::counter!("auth_log_lines_dropped_total").increment(1);
        }
    }
}

/// Writes until nobody can send any more. Errors are not reported: this is where they would go.
fn write_all(queue: &Receiver<Message>, out: impl Write) {
    let mut out = BufWriter::new(out);
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => drop(out.write_all(line.as_bytes())),
                Message::Flush(done) => {
                    drop(out.flush());
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
            next = queue.try_recv().ok();
        }
        drop(out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_waits_for_every_line() {
        let out = Shared::default();
        let queue = Queue::to(out.clone()).unwrap();
        for n in 0..100 {
            queue.write(format!("{n}\n"));
        }
        queue.flush(Duration::from_secs(10));
        let written = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 100);
        assert!(written.starts_with("0\n1\n"));
    }

    #[test]
    fn r_45_a_reader_that_stopped_reading_blocks_nobody() {
        let out = Shared::default();
        let stuck = out.0.lock().unwrap();
        let queue = Queue::to(out.clone()).unwrap();
        let started = Instant::now();
        for _ in 0..3 * LONGEST_QUEUE {
            queue.write("a line that nobody reads\n".repeat(20));
        }
        queue.flush(Duration::from_millis(50));
        assert!(started.elapsed() < Duration::from_secs(5));
        drop(stuck);
    }
}
