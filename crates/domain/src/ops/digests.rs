//! Comparing what is stored of secrets.

use subtle::ConstantTimeEq;

/// Whether two digests of secrets are the same. It takes as long wherever they differ: whoever can have many of
/// them made learns nothing of the one that is stored by how long they wait.
pub(super) fn are_same(shown: &[u8; 32], stored: &[u8; 32]) -> bool {
    shown.ct_eq(stored).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_one_bit_anywhere_makes_another_digest() {
        let stored: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        assert!(are_same(&stored.clone(), &stored));
        for place in 0..32 {
            for bit in 0..8 {
                let mut other = stored;
                other[place] ^= 1 << bit;
                assert!(!are_same(&other, &stored), "{place} {bit}");
            }
        }
    }
}
