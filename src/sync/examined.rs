//! Messages after the checks that need no state.

use super::{Operation, Reason, RepoState, Valid, Verdict};
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, MessageFault};

/// A message after all checks that need no state: the result of
/// [`Verifier::examine`](super::Verifier::examine).
///
/// It is `Send`: examine messages on any thread, and compare them with the states in order.
#[derive(Debug)]
pub struct Examined<'m> {
    pub(super) outcome: Outcome<'m>,
}

#[derive(Debug)]
pub(super) enum Outcome<'m> {
    Sound(Sound<'m>),
    Invalid(Reason),
    Unverifiable(Reason),
    Passed,
}

/// A message that is valid if it continues from the state.
#[derive(Debug)]
pub(super) struct Sound<'m> {
    pub(super) did: &'m str,
    pub(super) rev: &'m str,
    /// The tree that the state must have.
    pub(super) before: Cid,
    pub(super) data: Cid,
    pub(super) is_signature_checked: bool,
    pub(super) ops: Vec<Operation<'m>>,
    pub(super) records: Vec<Option<&'m [u8]>>,
}

impl<'m> Examined<'m> {
    /// Returns why the message is invalid or unverifiable, which no state can change. `None` if it
    /// depends on the state, or if the message is passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use carwalk::VerifyingKey;
    /// use carwalk::sync::{FrameError, Message, Rule, Verdict, Verifier};
    ///
    /// /// Checks a frame. If the signature does not match, tries once more with another key.
    /// fn check<'f>(
    ///     verifier: &Verifier,
    ///     frame: &'f [u8],
    ///     key: &VerifyingKey,
    ///     get_key: impl Fn(&str) -> VerifyingKey,
    /// ) -> Result<Verdict<'f>, FrameError> {
    ///     let message = Message::parse(frame)?;
    ///     let did = message.did();
    ///     let mut examined = verifier.examine(message, Some(key));
    ///     let rule = examined.reason().and_then(|reason| reason.rule());
    ///     if let (Some(Rule::Signature), Some(did)) = (rule, did) {
    ///         examined = verifier.examine(Message::parse(frame)?, Some(&get_key(did)));
    ///     }
    ///     Ok(examined.against(None))
    /// }
    /// # let key = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse().unwrap();
    /// # let frame = b"\xa2at\x65#infobop\x01\xa1dnamenOutdatedCursor";
    /// # let verdict = check(&Verifier::new(SystemTime::now), frame, &key, |_| unreachable!());
    /// # assert_eq!(verdict.unwrap().name(), "passed");
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.outcome {
            Outcome::Invalid(reason) | Outcome::Unverifiable(reason) => Some(reason),
            Outcome::Sound(_) | Outcome::Passed => None,
        }
    }

    /// Compares the message with the state of its account. `None` if there is no state yet: then
    /// the message is valid if it proves what it says. If the caller passes the state of another
    /// account, the message is out of sync.
    ///
    /// Costs a few comparisons, and two small allocations for the next state.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use carwalk::Repo;
    /// use carwalk::sync::{RepoState, SyncMessage, Verdict, Verifier};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut blocks = Vec::new();
    /// // The commit only.
    /// repo.prove().write(&mut blocks)?;
    /// let message = SyncMessage::new(repo.commit().did(), repo.commit().rev(), &blocks);
    /// let verifier = Verifier::new(SystemTime::now);
    ///
    /// let examined = verifier.examine(message.clone(), None);
    /// let Verdict::Valid(valid) = examined.against(None) else { panic!() };
    /// assert!(!valid.is_anchored());
    ///
    /// // The same message once more.
    /// let verdict = verifier.examine(message, None).against(Some(valid.state()));
    /// assert_eq!(verdict.name(), "stale");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn against(self, state: Option<&RepoState>) -> Verdict<'m> {
        let sound = match self.outcome {
            Outcome::Sound(sound) => sound,
            Outcome::Invalid(reason) => return Verdict::Invalid(reason),
            Outcome::Unverifiable(reason) => return Verdict::Unverifiable(reason),
            Outcome::Passed => return Verdict::Passed,
        };
        if let Some(state) = state {
            if let Some(error) = sound.other_account(state) {
                return Verdict::OutOfSync(Reason::without_rule(error));
            }
            if sound.rev <= state.rev() {
                let (held, found) = (state.rev().into(), sound.rev.into());
                let error = Error::message(MessageFault::Stale { held, found });
                return Verdict::Stale(Reason::without_rule(error));
            }
            if sound.before != state.data() {
                let (held, found) = (state.data(), sound.before);
                let error = Error::message(MessageFault::OutOfSync { held, found });
                return Verdict::OutOfSync(Reason::without_rule(error));
            }
        }
        Verdict::Valid(Valid {
            state: RepoState::checked(sound.did, sound.rev, sound.data),
            is_signature_checked: sound.is_signature_checked,
            is_anchored: state.is_some(),
            ops: sound.ops,
            records: sound.records,
        })
    }
}

impl Sound<'_> {
    /// Returns the error of a state that is not of the message's account.
    fn other_account(&self, state: &RepoState) -> Option<Error> {
        let is_same = self.did == state.did();
        let (expected, found) = (state.did(), self.did);
        (!is_same).then(|| {
            Error::new(ErrorKind::OtherAccount { expected: expected.into(), found: found.into() })
        })
    }
}
