//! Pointers to stores are stores.

use std::rc::Rc;
use std::sync::Arc;

use super::contents::CarStats;
use super::{Block, BlockStore, CarStore, sealed};
use crate::car::{Header, SectionHead};
use crate::cid::Cid;
use crate::error::{Error, Result};

macro_rules! pointers {
    ($($pointer:ty),*) => {
        $(
            impl<S: BlockStore> BlockStore for $pointer {
                type Bytes<'a>
                    = S::Bytes<'a>
                where
                    Self: 'a;

                #[inline]
                fn get(&self, cid: &Cid) -> Result<Option<Block<Self::Bytes<'_>>>> {
                    S::get(self, cid)
                }

                fn contains(&self, cid: &Cid) -> Result<bool> {
                    S::contains(self, cid)
                }

                fn memory_cost<'a>(&'a self, bytes: &Self::Bytes<'a>) -> u64 {
                    S::memory_cost(self, bytes)
                }

                fn prefetch(&self, cids: &[Cid]) {
                    S::prefetch(self, cids);
                }

                fn is_cached(&self) -> bool {
                    S::is_cached(self)
                }

                fn has_unique_offsets(&self) -> bool {
                    S::has_unique_offsets(self)
                }
            }

            impl<S: CarStore> sealed::Sealed for $pointer {}

            impl<S: CarStore> CarStore for $pointer {
                fn header(&self) -> &Header {
                    S::header(self)
                }

                fn stats(&self) -> CarStats {
                    S::stats(self)
                }

                fn fault(&self) -> Option<&Error> {
                    S::fault(self)
                }

                fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
                    S::sections(self)
                }
            }
        )*
    };
}

pointers!(&S, Box<S>, Rc<S>, Arc<S>);
