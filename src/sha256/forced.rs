//! Forces a way to hash: for tests, and for benchmarks of other kinds of CPUs.

use std::sync::{PoisonError, RwLock};

use super::method::Method;

/// A way to hash many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashMethod {
    /// The way that is fastest on this CPU.
    Fastest,
    /// One message at a time.
    Single,
    /// Eight messages at a time with AVX2.
    Avx2,
    /// Sixteen messages at a time with AVX-512.
    Avx512,
}

static FORCED: RwLock<Option<Method>> = RwLock::new(None);

/// Forces the way in which all threads hash from now on. Returns false, and changes nothing, if the
/// CPU does not have it.
pub fn force_hash_method(method: HashMethod) -> bool {
    let found = find(method);
    let has_it = method == HashMethod::Fastest || found.is_some();
    if has_it {
        *FORCED.write().unwrap_or_else(PoisonError::into_inner) = found;
    }
    has_it
}

/// Returns the forced method.
pub(super) fn method() -> Option<Method> {
    *FORCED.read().unwrap_or_else(PoisonError::into_inner)
}

fn find(method: HashMethod) -> Option<Method> {
    Method::all_of_cpu().into_iter().find(|own| match own {
        Method::Single => method == HashMethod::Single,
        #[cfg(target_arch = "x86_64")]
        Method::Avx2(_) => method == HashMethod::Avx2,
        #[cfg(target_arch = "x86_64")]
        Method::Avx512(_) => method == HashMethod::Avx512,
    })
}
