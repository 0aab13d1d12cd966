use carwalk::error::{LookAlike, Malformed, NonCanonical};
use carwalk::{ErrorKind, Repo};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::tree::Node;
use carwalk_testkit::varint;

use crate::breaks::BREAKS;
use crate::choices::Choices;
use crate::common;
use crate::export::Export;

/// Any valid repository, in any block order, is accepted. With one broken rule of tree, commit or
/// framing, it is refused with an error of that rule, from a slice and from a stream.
pub fn broken_rule(data: &[u8]) {
    let mut choices = Choices::new(data);
    let number = choices.below(BREAKS.len() + FRAMING.len());
    let mut export = Export::of_paths(&mut choices, 24);
    let valid = export.sections().to_bytes();
    assert!(
        common::rows(&Repo::from_slice(&valid).unwrap()).unwrap() == common::oracle_rows(&valid)
    );
    let (name, car, fits) = match BREAKS.get(number) {
        Some(rule) => {
            if (rule.apply)(&mut export.repo, &mut choices).is_none() {
                return;
            }
            (rule.name, export.sections().to_bytes(), rule.fits)
        }
        None => {
            let rule = &FRAMING[number - BREAKS.len()];
            let Some(car) = (rule.apply)(export.sections(), &mut choices) else { return };
            (rule.name, car, rule.fits)
        }
    };
    let by_slice = Repo::from_slice(&car).and_then(|repo| common::rows(&repo));
    let by_stream = Repo::from_reader(&car[..]).and_then(|repo| common::rows(&repo));
    let (Err(slice), Err(stream)) = (by_slice, by_stream) else { panic!("{name}: accepted") };
    assert!(fits(slice.kind()), "{name}: {slice:?}");
    assert_eq!(common::details(&slice), common::details(&stream), "{name}");
}

/// A way to break a rule of framing or hashes.
pub(crate) struct FramingBreak {
    pub(crate) name: &'static str,
    apply: fn(Car, &mut Choices<'_>) -> Option<Vec<u8>>,
    fits: fn(&ErrorKind) -> bool,
}

pub(crate) const FRAMING: &[FramingBreak] = &[
    FramingBreak {
        name: "block_changed",
        apply: |mut car, choices| {
            let number = choices.below(car.sections.len());
            let section = &mut car.sections[number];
            let at = choices.below(section.data.len().max(1));
            *section.data.get_mut(at)? ^= 1 << choices.below(8);
            Some(car.to_bytes())
        },
        fits: |kind| matches!(kind, ErrorKind::HashMismatch { .. }),
    },
    FramingBreak {
        name: "cid_of_other_form",
        apply: |mut car, choices| {
            let number = choices.below(car.sections.len());
            let (at, byte) = (choices.below(4), choices.byte());
            let old = std::mem::replace(&mut car.sections[number].cid[at], byte);
            if old == byte || (at == 1 && [0x55, 0x71].contains(&byte)) {
                return None;
            }
            Some(car.to_bytes())
        },
        fits: |kind| {
            use Malformed::{CidCodec, CidDigestLen, CidHash, CidVersion, CidVersion0};
            let ErrorKind::Malformed(reason) = kind else { return false };
            matches!(
                reason,
                CidCodec { .. }
                    | CidDigestLen { .. }
                    | CidHash { .. }
                    | CidVersion { .. }
                    | CidVersion0
            )
        },
    },
    FramingBreak {
        name: "length_padded",
        apply: |mut car, choices| {
            let number = choices.below(car.sections.len());
            let section = &mut car.sections[number];
            let len = (section.cid.len() + section.data.len()) as u64;
            section.length = varint::padded(len, section.length.len() + 1 + choices.below(4));
            Some(car.to_bytes())
        },
        fits: |kind| matches!(kind, ErrorKind::NonCanonical(NonCanonical::VarintPadded)),
    },
    FramingBreak {
        name: "length_of_ten_bytes",
        apply: |mut car, choices| {
            let number = choices.below(car.sections.len());
            car.sections[number].length = vec![0x80 | choices.byte(); 10];
            Some(car.to_bytes())
        },
        fits: |kind| matches!(kind, ErrorKind::Malformed(Malformed::VarintTooLong)),
    },
    FramingBreak {
        name: "length_without_room_for_a_cid",
        apply: |mut car, choices| {
            let number = choices.below(car.sections.len());
            car.sections[number].length = vec![choices.below(36) as u8];
            Some(car.to_bytes())
        },
        fits: |kind| matches!(kind, ErrorKind::Malformed(Malformed::SectionLen { .. })),
    },
    FramingBreak {
        name: "cut_inside_a_structure",
        apply: |car, choices| {
            let (mut bytes, starts) = (car.to_bytes(), car.offsets());
            let end = choices.below(bytes.len());
            bytes.truncate(end);
            (!starts.contains(&end)).then_some(bytes)
        },
        fits: |kind| {
            matches!(kind, ErrorKind::Truncated { .. } | ErrorKind::LookAlike(LookAlike::Empty))
        },
    },
    FramingBreak {
        name: "cut_between_sections",
        apply: |mut car, choices| {
            let lost = car.sections.split_off(choices.below(car.sections.len()));
            let is_kept =
                |section: &Section| car.sections.iter().any(|kept| kept.cid == section.cid);
            // No rule is broken if only repeated blocks are cut off, or the node of an empty tree,
            // which is known by its CID.
            let is_known = |section: &Section| section.cid == Node::default().cid().as_bytes();
            let is_broken = !lost.iter().all(|section| is_kept(section) || is_known(section));
            is_broken.then(|| car.to_bytes())
        },
        fits: |kind| matches!(kind, ErrorKind::MissingCommit | ErrorKind::Missing { .. }),
    },
    FramingBreak {
        name: "zeros_at_the_end",
        apply: |mut car, choices| {
            car.trailing = vec![0; 1 + choices.below(40)];
            Some(car.to_bytes())
        },
        fits: |kind| matches!(kind, ErrorKind::Malformed(Malformed::SectionLen { found: 0 })),
    },
];
