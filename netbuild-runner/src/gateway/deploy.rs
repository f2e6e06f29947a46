//! Whether a report's deploy is what the store has.

use netbuild_core::model::{DeployInfo, Manifest, Outcome, Report};
use object_store::ObjectStoreExt;

use super::GatewayLimits;
use super::attempts::Standing;
use super::manifest::check_whole;
use super::refusal::Refusal;
use super::tenant_store::TenantStore;

/// Checks that the deploy of a report is stored in the attempt's project, whole, and that the report tells of it as it is.
///
/// Which attempt uploaded it does not matter: any attempt of the project could upload the same manifest itself. What this
/// gateway stored for the attempt was checked then. Everything else, after a restart for example, is checked here anew, down
/// to the last file.
///
/// # Errors
/// A [`Refusal`]: the report must not take effect.
pub(super) async fn check_report(
    tenant: &TenantStore,
    standing: &Standing,
    report: &Report,
    limits: &GatewayLimits,
) -> Result<(), Refusal> {
    let Outcome::Succeeded { deploy: Some(deploy) } = &report.outcome else { return Ok(()) };
    let stored = match standing.deploy(&deploy.manifest) {
        Some(stored) => stored,
        None => check_whole(tenant, &manifest(tenant, deploy, limits).await?, limits).await?,
    };
    if !stored.is(deploy) {
        return Err(Refusal::Invalid("the report's counts are not those of the manifest that it names".to_owned()));
    }
    standing.remember(deploy.manifest, stored);
    Ok(())
}

async fn manifest(tenant: &TenantStore, deploy: &DeployInfo, limits: &GatewayLimits) -> Result<Manifest, Refusal> {
    let key = tenant.manifest(&deploy.manifest);
    let found = match tenant.store.get(&key).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => {
            return Err(Refusal::Invalid("the report names a manifest that is not stored: upload it first".to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    if found.meta.size > limits.manifest_bytes {
        return Err(Refusal::TooLarge { limit: limits.manifest_bytes });
    }
    let manifest = Manifest::from_bytes(&found.bytes().await?).ok();
    let whole = manifest.filter(|manifest| manifest.digest() == deploy.manifest);
    whole.ok_or_else(|| Refusal::Invalid("the manifest is damaged in the store: upload it again".to_owned()))
}
