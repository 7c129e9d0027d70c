//! Where runs got to in a plan, for the coverage of its tests. Real calls keep none.

use std::collections::BTreeSet;

use crate::plan::BlockId;

/// Blocks and steps that were reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    pub(crate) blocks: BTreeSet<BlockId>,
    /// Only those that stand in the text.
    pub(crate) steps: BTreeSet<(BlockId, usize)>,
}

impl Trail {
    /// Takes in another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.blocks.extend(&other.blocks);
        self.steps.extend(&other.steps);
    }
}
