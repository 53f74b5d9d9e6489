//! What `grpc.health.v1` answers.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthRpc, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

/// Says whether this process serves, as a whole (the name `""`) and by service. Clones share it.
///
/// A fresh one says that the process serves and knows no service by name; [`Health::set`] it
/// before the port opens.
#[derive(Clone, Debug, Default)]
pub struct Health(HealthReporter);

impl Health {
    /// Says of the process and of each of its services whether they serve. `accounts` tells
    /// whether the directory is one of them, as in [`crate::Options::accounts`].
    pub async fn set(&self, serving: bool, accounts: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in std::iter::once("").chain(crate::service_names(accounts)) {
            self.0.set_service_status(name, status).await;
        }
    }

    pub(crate) fn server(self) -> HealthServer<impl HealthRpc> {
        HealthServer::new(HealthService::from_health_reporter(self.0))
    }
}
