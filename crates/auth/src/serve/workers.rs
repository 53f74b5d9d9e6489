//! Threads that serve connections, each by itself.
//!
//! A connection stays on the thread it was given to, and so does every request on it: nothing is handed from
//! core to core, and no thread wakes another to share its work. For calls that are answered from memory that
//! costs a third less than a pool in which work is stolen (`docs/performance.md`). What takes long does not
//! belong here.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};

/// The threads; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Workers(Arc<[Worker]>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// How many connections it serves.
    connections: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts one for each core. They end with the process.
    pub(crate) fn start() -> Result<Self, String> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers: io::Result<_> = (0..cores).map(Worker::start).collect();
        workers.map(Self).map_err(|error| format!("cannot start threads: {error}"))
    }

    /// How many tasks they have begun and not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.0.iter().map(|worker| worker.handle.metrics().num_alive_tasks()).sum()
    }

    /// Serves the connection on the thread that has the fewest.
    pub(crate) fn serve<F: Future<Output = ()> + Send + 'static>(
        &self,
        tcp: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()> {
        let least = self.0.iter().min_by_key(|it| it.connections.load(Ordering::Relaxed));
        let worker = least.ok_or(io::ErrorKind::Unsupported)?;
        // Until here the thread that accepted it was told what happens on it.
        let tcp = tcp.into_std()?;
        let place = Place::take(&worker.connections);
        worker.handle.spawn(async move {
            let _place = place;
            match TcpStream::from_std(tcp) {
                Ok(tcp) => serve(tcp).await,
                Err(error) => tracing::warn!(%error, "cannot serve a connection"),
            }
        });
        Ok(())
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name(format!("calls-{number}"));
        thread.spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(Self { handle, connections: Arc::default() })
    }
}

/// A connection's place on a thread, given back when it ends.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::sync::{mpsc, watch};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_evenly_and_stay_where_they_are() {
        let workers = Workers((0..2).map(|number| Worker::start(number).unwrap()).collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (told, mut names) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(());
        for _ in 0..6 {
            let (client, accepted) = tokio::join!(TcpStream::connect(at), listener.accept());
            let (told, mut ended) = (told.clone(), ended.clone());
            let serve = move |tcp: TcpStream| async move {
                let _held = (tcp, client);
                told.send(thread::current().name().unwrap().to_owned()).unwrap();
                let _ = ended.changed().await;
            };
            workers.serve(accepted.unwrap().0, serve).unwrap();
        }
        let mut served = Vec::new();
        for _ in 0..6 {
            served.push(timeout(Duration::from_secs(10), names.recv()).await.unwrap().unwrap());
        }
        served.sort();
        let [first, second] = ["calls-0", "calls-1"];
        assert_eq!(served, [first, first, first, second, second, second]);
        drop(end);
        drop(told);
        // The last one who could tell something is gone.
        assert_eq!(timeout(Duration::from_secs(10), names.recv()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_place_is_given_back() {
        let connections = Arc::default();
        let places = [Place::take(&connections), Place::take(&connections)];
        assert_eq!(connections.load(Ordering::Relaxed), 2);
        drop(places);
        assert_eq!(connections.load(Ordering::Relaxed), 0);
    }
}
