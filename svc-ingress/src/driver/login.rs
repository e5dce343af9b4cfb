//! Logins on the hot path: known ones are looked up, others are hashed off the event loop.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::Semaphore;

use crate::auth::{Credentials, VerifiedLogins};
use crate::htpasswd::Htpasswd;
use crate::tls::provider;

// Wrong passwords cost as much as right ones: they may not take every core.
const HASHING_AT_ONCE: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Logins {
    verified: Arc<Mutex<VerifiedLogins>>,
    hashing: Arc<Semaphore>,
}

impl Logins {
    /// Nobody verified yet; the key of the cache is fresh from the system.
    pub(super) fn new() -> Result<Self, rustls::crypto::GetRandomFailed> {
        let mut key = [0; 64];
        provider().secure_random.fill(&mut key)?;
        let verified = Arc::new(Mutex::new(VerifiedLogins::new(key)));
        Ok(Self { verified, hashing: Arc::new(Semaphore::new(HASHING_AT_ONCE)) })
    }

    /// Whether the request's credentials are those of one of the users.
    pub(super) async fn verify(&self, headers: &HeaderMap, users: &Arc<Htpasswd>) -> bool {
        let Some(credentials) = headers.get(AUTHORIZATION).and_then(Credentials::parse) else { return false };
        // A user who does not exist waits for a hash as one with a wrong password does.
        let stored = users.stored(credentials.user()).map(str::to_owned);
        if stored.as_ref().is_some_and(|stored| self.lock().contains(&credentials, stored)) {
            return true;
        }
        let Ok(_permit) = self.hashing.acquire().await else { return false };
        let (users, asked) = (Arc::clone(users), credentials.clone());
        let verify = move || users.verify(asked.user(), asked.password());
        let right = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
        if let Some(stored) = stored.filter(|_| right) {
            self.lock().insert(&credentials, &stored);
        }
        right
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VerifiedLogins> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_unknown_user_waits_for_a_hash_as_a_wrong_password_does() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let logins = Logins::new().unwrap();
            let users = Arc::new(Htpasswd::parse(b"jane:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=").0);
            let busy = logins.hashing.acquire_many(2).await.unwrap();
            for login in ["jane:wrong", "nobody:password"] {
                let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(login))).unwrap();
                let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
                let mut asked = std::pin::pin!(logins.verify(&headers, &users));
                let pending =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx).is_pending()));
                assert!(pending.await, "{login}");
            }
            drop(busy);
        });
    }
}
