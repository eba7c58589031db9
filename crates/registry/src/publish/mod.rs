//! Publishing: modules become OCI artifacts in registries.
//!
//! Which policies may be published is up to the caller. Tags are moved last, after everything they point to is uploaded, so
//! a tag points to the old policy or to the new one even if the process is stopped.

mod artifact;
mod job;
mod manifest;
mod restore;

use std::pin::pin;
use std::time::Duration;

use policy_verify_model::publication::{Publication, PublishMode};

pub use self::artifact::{Artifact, reference, repository_name};
use self::job::Job;
pub use self::manifest::annotations;
use crate::client::Registry;
use crate::meter::Meter;

/// Publishes artifacts, or determines what publishing them would do. All tags are looked up before anything is uploaded, and
/// everything is uploaded before a tag is moved; a failed artifact does not affect the others. `progress` is called with the
/// bytes sent and their total.
pub async fn publish(
    registry: &Registry,
    artifacts: Vec<Artifact>,
    mode: PublishMode,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Vec<Publication> {
    let mut jobs: Vec<Job<'_>> = artifacts.into_iter().map(|artifact| Job::new(registry, artifact)).collect();
    for job in &mut jobs {
        job.look_up().await;
    }
    if mode == PublishMode::Push && jobs.iter().any(|job| job.end.is_none()) {
        let going = jobs.iter().filter(|job| job.end.is_none());
        let total = going.map(|job| job.artifact.module.len() as u64).sum();
        let meter = Meter::default();
        let uploads = async {
            for job in &mut jobs {
                job.upload(&meter).await;
            }
        };
        // Configurations and repeated requests count too, so the number is capped.
        watched(uploads, || progress(meter.sent().min(total), total)).await;
        for job in &mut jobs {
            job.move_tags().await;
        }
    }
    jobs.into_iter().map(|job| job.publication(mode)).collect()
}

/// Runs `work`, and calls `report` at intervals and at the end.
async fn watched(work: impl Future<Output = ()>, report: impl Fn()) {
    let mut work = pin!(work);
    let mut clock = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            biased;
            _ = clock.tick() => report(),
            () = &mut work => return report(),
        }
    }
}
