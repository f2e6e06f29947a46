//! What a runner does with caches.

use netbuild_core::model::{AttemptId, CacheKey, CacheName, CacheScope, DeployContext, Digest, GatewayClaim};
use netbuild_runner::protocol::{
    BrokenCacheRequest, FindCacheRequest, FindCacheResponse, FoundCache, SaveCacheRequest,
};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;

use crate::world::{Answer, World, answer, attempt_of, key};

/// A build of some tenant and scope, as its token says.
#[derive(Clone)]
pub(super) struct Build<'a> {
    world: &'a World,
    pub(super) attempt: AttemptId,
    scope: CacheScope,
}

pub(super) fn trusted(world: &World) -> Build<'_> {
    Build { world, attempt: attempt_of("acme", "site", 1), scope: CacheScope::Trusted }
}

/// A build of somebody else's pull request.
pub(super) fn fork<'a>(world: &'a World, number: &str) -> Build<'a> {
    Build { scope: CacheScope::Untrusted(DeployContext::Preview(number.to_owned())), ..trusted(world) }
}

pub(super) fn tenant<'a>(world: &'a World, account: &str, project: &str) -> Build<'a> {
    Build { attempt: attempt_of(account, project, 1), ..trusted(world) }
}

pub(super) fn name(text: &str) -> CacheName {
    CacheName::new(text).unwrap()
}

/// Some key: the digest of a text.
pub(super) fn key_of(text: &str) -> CacheKey {
    serde_json::from_value(serde_json::to_value(Digest::of(text)).unwrap()).unwrap()
}

impl Build<'_> {
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let claim = GatewayClaim { attempt: self.attempt.clone(), scope: self.scope.clone() };
        self.world.bare(method, path).bearer_auth(key().token(&claim).expose_secret())
    }

    pub(super) async fn find(&self, cache: &str, key: &str) -> FindCacheResponse {
        let wanted = FindCacheRequest { name: name(cache), key: key_of(key) };
        let found = answer(self.request(Method::POST, "/v1/caches/find").json(&wanted)).await;
        assert_eq!(found.status, 200, "{found:?}");
        serde_json::from_value(found.body).unwrap()
    }

    pub(super) async fn upload(&self, content: &[u8]) -> Answer {
        let path = format!("/v1/caches/archives/{}", Digest::of(content));
        answer(self.request(Method::PUT, &path).body(content.to_vec())).await
    }

    pub(super) async fn enter(&self, cache: &str, key: &str, content: &[u8]) -> Answer {
        let archive = Digest::of(content);
        let entry = SaveCacheRequest { name: name(cache), key: key_of(key), archive, bytes: content.len() as u64 };
        answer(self.request(Method::PUT, "/v1/caches/entry").json(&entry)).await
    }

    /// Uploads an archive and makes it the entry of a key.
    pub(super) async fn save(&self, cache: &str, key: &str, content: &[u8]) {
        assert_eq!(self.upload(content).await.status, 204);
        assert_eq!(self.enter(cache, key, content).await.status, 204);
    }

    pub(super) async fn broken(&self, cache: &str, key: &str, content: &[u8]) -> Answer {
        let said = BrokenCacheRequest { name: name(cache), key: key_of(key), archive: Digest::of(content) };
        answer(self.request(Method::POST, "/v1/caches/broken").json(&said)).await
    }

    /// The archive of a digest, or the refusal's status.
    pub(super) async fn read(&self, archive: &Digest) -> Result<Vec<u8>, u16> {
        let response = self.request(Method::GET, &format!("/v1/caches/archives/{archive}")).send().await.unwrap();
        match response.status().as_u16() {
            200 => {
                let length = response.content_length();
                let bytes = response.bytes().await.unwrap();
                assert_eq!(length, Some(bytes.len() as u64), "the length is said before");
                Ok(bytes.to_vec())
            }
            refused => Err(refused),
        }
    }

    /// What a build finds and reads.
    pub(super) async fn restore(&self, cache: &str, key: &str) -> Option<Vec<u8>> {
        let FoundCache { archive, .. } = self.find(cache, key).await.found?;
        Some(self.read(&archive).await.unwrap())
    }
}
