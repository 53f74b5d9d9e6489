//! Counting together: the buckets of rate limits, shared by all replicas.
//!
//! Redis decides, by its own clock and in one step whatever runs beside it, with the arithmetic of
//! [`auth_domain::quota`]. It is never needed: whoever asks has counted by themselves already, and goes by that when
//! there is no answer.
//!
//! A connection that fails once is given up for everybody, and [`RedisCounts::stay_connected`] alone tries to have
//! another: one that has shown that it counts. So a Redis that is frozen, away or not writable costs those who were
//! waiting at that moment [`DECIDE`] at most, and nobody afterwards.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use auth_domain::quota::{Count, Quota};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::{BadAddress, CONNECT, StreamConfig, address, spans};

/// How long a decision may take: somebody waits for it.
pub const DECIDE: Duration = Duration::from_millis(250);
/// How long nobody asks after a failure, and how often a connection that nobody uses is looked at.
pub const PAUSE: Duration = Duration::from_secs(2);
/// What every key begins with. The braces keep them in one slot of a cluster.
pub const PREFIX: &str = "{keyward.limits}";

/// Reads the time, in microseconds.
const CLOCK: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
";

/// Reads a bucket: the moment when it is empty. What is no such moment, whatever it is, counts as empty and is
/// written over.
const BUCKETS: &str = "
local function read(key, room)
  local value = redis.pcall('GET', key)
  local empty_at = type(value) == 'string' and tonumber(value) or now
  if empty_at >= now and empty_at <= now + room then return empty_at end
  return now
end
local function write(key, empty_at)
  local left = math.ceil((empty_at - now) / 1000) + 1000
  redis.call('SET', key, string.format('%.0f', empty_at), 'PX', string.format('%.0f', left))
end
";

/// All of it or nothing. Gives the place of the bucket for which one would have to wait longest, from 1, or 0, and
/// how long, in microseconds.
const ENTER: &str = "
local full, longest, filled = 0, 0, {}
for i, key in ipairs(KEYS) do
  local each, room = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  filled[i] = read(key, room) + each
  local wait = filled[i] - now - room
  if wait > longest then full, longest = i, wait end
end
if full == 0 then
  for i, key in ipairs(KEYS) do write(key, filled[i]) end
end
return {full, longest}
";

const TAKE_BACK: &str = "
for i, key in ipairs(KEYS) do
  local each, room = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local emptier = read(key, room) - each
  if emptier > now then write(key, emptier) else redis.call('DEL', key) end
end
return 0
";

/// A bucket of nobody's, whose name is no digest that means anything. More fits into it than anybody could add, so
/// every probe writes.
const PROBE: u128 = 0;
const PROBES: (u32, Duration) = (u32::MAX, Duration::from_secs(1));

/// What Redis says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was counted.
    Counted,
    /// It was not, because this bucket, by its place among those that were asked for, has no room for so long.
    Full {
        /// Which.
        place: usize,
        /// How long it is until it does.
        wait: Duration,
    },
}

/// Buckets in the Redis server of the stream.
pub struct RedisCounts {
    client: Client,
    current: RwLock<Option<Connected>>,
    lost: Notify,
}

/// A connection that has shown that it works, and what Redis calls our scripts.
#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    enter: String,
    take_back: String,
    /// Which connection it is, the first, the second and so on.
    number: u64,
}

impl RedisCounts {
    /// Over the Redis server of the stream; nothing is connected yet.
    pub fn new(config: &StreamConfig) -> Result<Self, BadAddress> {
        let client = Client::open(address::parse(config)?).map_err(|_| BadAddress)?;
        Ok(Self { client, current: RwLock::default(), lost: Notify::new() })
    }

    /// Counts an attempt in each of these buckets, or in none. Nothing when nobody can say for now.
    pub async fn enter(&self, counts: &[Count]) -> Option<Verdict> {
        let connected = self.connected()?;
        let command = invocation(&connected.enter, counts);
        let (place, wait): (i64, i64) = self.ask(connected, &command).await?;
        verdict(place, wait, counts)
    }

    /// Takes it back. If nobody can for now it runs out with time.
    pub async fn take_back(&self, counts: &[Count]) {
        if let Some(connected) = self.connected() {
            let command = invocation(&connected.take_back, counts);
            let _: Option<i64> = self.ask(connected, &command).await;
        }
    }

    /// Connects, sees to it that the connection works, and connects anew when it does not any more; never ends. Calls
    /// back whenever that changes, and logs why.
    pub async fn stay_connected(&self, tell: impl Fn(bool) + Send) {
        let mut said = false;
        for number in 1.. {
            match timeout(CONNECT, self.connect(number)).await {
                Ok(Ok(connected)) => {
                    if std::mem::take(&mut said) {
                        tracing::info!(
                            "rate limits are counted together with other replicas again"
                        );
                    }
                    self.put(Some(connected));
                    tell(true);
                    self.watch().await;
                    tell(false);
                }
                // Once, until it works again.
                _ if said => {}
                Ok(Err(error)) => {
                    said = true;
                    tracing::warn!(
                        error = told(&error),
                        "rate limits are counted here alone: Redis cannot count"
                    );
                }
                Err(_) => {
                    said = true;
                    tracing::warn!("rate limits are counted here alone: Redis does not answer");
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn connect(&self, number: u64) -> redis::RedisResult<Connected> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(DECIDE));
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let enter = load(&mut connection, ENTER).await?;
        let take_back = load(&mut connection, TAKE_BACK).await?;
        // A replica of Redis, or one whose disk is full, answers and takes nothing.
        let _: (i64, i64) = probe(&enter).query_async(&mut connection).await?;
        let _: i64 = probe(&take_back).query_async(&mut connection).await?;
        Ok(Connected { connection, enter, take_back, number })
    }

    /// Waits until the connection is lost, and finds that out even if nobody uses it.
    async fn watch(&self) {
        while let Some(connected) = self.connected() {
            if timeout(PAUSE, self.lost.notified()).await.is_err() {
                let [enter, take_back] =
                    [&connected.enter, &connected.take_back].map(|script| probe(script));
                let _: Option<(i64, i64)> = self.ask(connected.clone(), &enter).await;
                let _: Option<i64> = self.ask(connected, &take_back).await;
            }
        }
    }

    /// The answer, if there is one in time and of the right type. Otherwise the connection is given up.
    async fn ask<T: redis::FromRedisValue>(
        &self,
        connected: Connected,
        command: &Cmd,
    ) -> Option<T> {
        let Connected { mut connection, number, .. } = connected;
        let span = spans::part("EVALSHA");
        let asked = timeout(DECIDE, command.query_async(&mut connection));
        let answer = asked.instrument(span.clone()).await;
        spans::end(&span, matches!(answer, Ok(Ok(_))));
        match answer {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => tracing::debug!(?error, "Redis cannot count"),
            Err(_) => tracing::debug!("Redis cannot count: it does not answer"),
        }
        self.give_up(number);
        None
    }

    fn connected(&self) -> Option<Connected> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, connected: Option<Connected>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = connected;
    }

    /// Gives this connection up, unless there is another one by now.
    fn give_up(&self, number: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|connected| connected.number == number) {
            *current = None;
            self.lost.notify_one();
        }
    }
}

/// Counts for nobody, as it would for somebody.
fn probe(script: &str) -> Cmd {
    let (attempts, within) = PROBES;
    invocation(script, &[Count { bucket: PROBE, quota: Quota::new(attempts, within) }])
}

/// What kind of thing went wrong: what Redis says beyond that may hold anything.
fn told(error: &redis::RedisError) -> String {
    error.code().map_or_else(|| error.category().to_owned(), str::to_owned)
}

/// Has Redis keep a script, and gives its name.
async fn load(connection: &mut MultiplexedConnection, body: &str) -> redis::RedisResult<String> {
    let mut command = redis::cmd("SCRIPT");
    command.arg("LOAD").arg(script(CLOCK, body));
    command.query_async(connection).await
}

fn script(clock: &str, body: &str) -> String {
    [clock, BUCKETS, body].concat()
}

fn invocation(script: &str, counts: &[Count]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script).arg(counts.len());
    for count in counts {
        command.arg(format!("{PREFIX}{:032x}", count.bucket));
    }
    for count in counts {
        command.arg(count.quota.each()).arg(count.quota.room());
    }
    command
}

/// What the numbers mean, if they mean anything. No wait is longer than one can be.
fn verdict(place: i64, wait: i64, counts: &[Count]) -> Option<Verdict> {
    let place = usize::try_from(place).ok()?;
    let Some(place) = place.checked_sub(1) else { return Some(Verdict::Counted) };
    let most = counts.get(place)?.quota.each();
    let wait = u64::try_from(wait).ok()?.clamp(1, most);
    Some(Verdict::Full { place, wait: Duration::from_micros(wait) })
}

impl fmt::Debug for RedisCounts {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCounts").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail by panicking")]
mod tests {
    use auth_domain::quota::Quota;
    use auth_testkit::Redis;
    use proptest::prelude::*;

    use super::*;

    /// The time as we say it is: so that what the script decides can be compared.
    const OUR_CLOCK: &str = "local now = tonumber(ARGV[#ARGV])\n";

    /// What is done to some of three buckets, how long after what was done before.
    #[derive(Clone, Debug)]
    struct Step {
        later: u64,
        takes_back: bool,
        buckets: Vec<usize>,
    }

    fn quotas() -> [Quota; 3] {
        [(3, 60), (5, 100), (2, 3_600)]
            .map(|(attempts, seconds)| Quota::new(attempts, Duration::from_secs(seconds)))
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let buckets = proptest::sample::subsequence(vec![0_usize, 1, 2], 1..=3);
        let step = (0_u64..40_000_000, prop::bool::weighted(0.2), buckets)
            .prop_map(|(later, takes_back, buckets)| Step { later, takes_back, buckets });
        proptest::collection::vec(step, 1..25)
    }

    /// By the arithmetic of [`Quota`] alone.
    fn by_ourselves(kept: &mut [u64; 3], step: &Step, now: u64) -> (i64, i64) {
        let quotas = quotas();
        if step.takes_back {
            for at in &step.buckets {
                kept[*at] = quotas[*at].take_back(kept[*at], now).unwrap_or(0);
            }
            return (0, 0);
        }
        let (mut full, mut longest) = (0, Duration::ZERO);
        let mut filled = *kept;
        for (place, at) in (1..).zip(&step.buckets) {
            match quotas[*at].fill(kept[*at], now) {
                Ok(empty_at) => filled[*at] = empty_at,
                Err(wait) if wait > longest => (full, longest) = (place, wait),
                Err(_) => {}
            }
        }
        if full == 0 {
            *kept = filled;
        }
        (full, longest.as_micros().try_into().unwrap())
    }

    async fn by_redis(
        connection: &mut MultiplexedConnection,
        names: &[String; 2],
        world: u128,
        step: &Step,
        now: u64,
    ) -> (i64, i64) {
        let quotas = quotas();
        let count = |at: &usize| Count {
            bucket: world * 3 + u128::try_from(*at).unwrap(),
            quota: quotas[*at],
        };
        let counts: Vec<Count> = step.buckets.iter().map(count).collect();
        let name = &names[usize::from(step.takes_back)];
        let mut command = invocation(name, &counts);
        command.arg(now);
        if step.takes_back {
            let _: i64 = command.query_async(connection).await.unwrap();
            return (0, 0);
        }
        command.query_async(connection).await.unwrap()
    }

    #[test]
    fn s86_redis_counts_as_we_do() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let redis = runtime.block_on(Redis::start()).unwrap();
        let client = Client::open(format!("redis://{}", redis.address())).unwrap();
        let (connection, names) = runtime.block_on(async {
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let mut names = [ENTER, TAKE_BACK].map(str::to_owned);
            for name in &mut names {
                let mut command = redis::cmd("SCRIPT");
                command.arg("LOAD").arg(script(OUR_CLOCK, name));
                *name = command.query_async(&mut connection).await.unwrap();
            }
            (connection, names)
        });
        let world = std::sync::atomic::AtomicU64::new(0);
        let config = ProptestConfig { cases: 40, ..ProptestConfig::default() };
        proptest!(config, |(steps in steps())| {
            let world = world.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (mut now, mut kept) = (1_800_000_000_000_000, [0; 3]);
            for step in steps {
                now += step.later;
                let expected = by_ourselves(&mut kept, &step, now);
                let mut connection = connection.clone();
                let seen = runtime.block_on(by_redis(&mut connection, &names, world.into(), &step, now));
                prop_assert_eq!(seen, expected, "{:?} at {}", step, now);
            }
        });
    }

    #[test]
    fn r11_an_answer_that_makes_no_sense_is_none() {
        let counts = [Count { bucket: 1, quota: Quota::new(2, Duration::from_mins(1)) }];
        let full = |micros| Some(Verdict::Full { place: 0, wait: Duration::from_micros(micros) });
        assert_eq!(verdict(0, 0, &counts), Some(Verdict::Counted));
        assert_eq!(verdict(1, 5, &counts), full(5));
        assert_eq!(verdict(1, i64::MAX, &counts), full(30_000_000), "no longer than one can wait");
        assert_eq!(verdict(1, 0, &counts), full(1));
        for (place, wait) in [(-1, 5), (2, 5), (i64::MAX, 5), (1, -5)] {
            assert_eq!(verdict(place, wait, &counts), None, "{place} {wait}");
        }
    }
}
