//! Groups of inputs. A thread reads one group at a time.

use std::ops::Range;

use carwalk_batch::Input;

/// Most bytes of a group of several inputs.
const MOST: u64 = 4 << 20;

/// Least number of groups per thread, so that all threads have work until the end.
const OF_A_THREAD: u64 = 8;

/// Divides inputs into groups of neighbours. One thread reads a group, so that rows of many small
/// inputs form one table and need not be copied together on another thread.
///
/// A pipe is a group of its own, because reading it may take forever.
pub(crate) fn groups(inputs: &[Input], threads: usize) -> Vec<Range<usize>> {
    let all = inputs.iter().filter_map(Input::bytes).fold(0, u64::saturating_add);
    let count = OF_A_THREAD.saturating_mul(threads as u64).max(1);
    let most = all.div_ceil(count).min(MOST);
    let (mut groups, mut start, mut bytes) = (Vec::new(), 0, 0_u64);
    for (at, input) in inputs.iter().enumerate() {
        let (end, len) = (at.saturating_add(1), input.bytes().unwrap_or(u64::MAX));
        if start < at && bytes.saturating_add(len) > most {
            groups.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes = bytes.saturating_add(len);
        if bytes >= most {
            groups.push(start..end);
            (start, bytes) = (end, 0);
        }
    }
    if start < inputs.len() {
        groups.push(start..inputs.len());
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Returns the groups of files with these lengths; `None` is a folder, whose length is unknown.
    fn of(lens: &[Option<u64>], threads: usize) -> Vec<Range<usize>> {
        let folder = tempfile::tempdir().unwrap();
        let input = |(at, len): (usize, &Option<u64>)| {
            let path = folder.path().join(at.to_string());
            match len {
                Some(len) => File::create(&path).unwrap().set_len(*len).unwrap(),
                None => std::fs::create_dir(&path).unwrap(),
            }
            Input::new(path)
        };
        let inputs: Vec<_> = lens.iter().enumerate().map(input).collect();
        let groups = groups(&inputs, threads);
        // Each input is in one group, and none is empty.
        let all: Vec<_> = groups.iter().cloned().flatten().collect();
        assert!(all.iter().copied().eq(0..lens.len()));
        assert!(groups.iter().all(|group| !group.is_empty()));
        groups
    }

    #[test]
    fn small_neighbours_are_together_and_large_inputs_alone() {
        assert!(of(&[], 1).is_empty());
        assert_eq!(of(&[Some(9)], 4).len(), 1);
        let small = [Some(10); 16];
        assert_eq!(of(&small, 1).len(), 8);
        assert_eq!(of(&small, 2).len(), 16);
        let mixed = [Some(1), Some(1), Some(9 << 20), Some(1), Some(90 << 20), Some(1), Some(1)];
        assert_eq!(of(&mixed, 1), [0..2, 2..3, 3..4, 4..5, 5..7]);
    }

    #[test]
    fn pipes_are_alone_and_empty_files_are_together() {
        let lens = [Some(1), None, None, Some(1), Some(1)];
        assert_eq!(of(&lens, 1), [0..1, 1..2, 2..3, 3..4, 4..5]);
        let lens = [Some(800), Some(9), None, Some(9), Some(9)];
        assert_eq!(of(&lens, 1), [0..1, 1..2, 2..3, 3..5]);
        assert_eq!(of(&[None, None], 1).len(), 2);
        of(&[Some(0), Some(0), Some(0)], 3);
    }
}
