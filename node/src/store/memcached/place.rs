//! Place: where a value is in memcached.

use dht::record::Blob;

/// Where a value is, and how long it is. In the index it stands in place of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of its first item; no two items of a node's life have the same.
    pub(super) serial: u64,
    /// Length of the value.
    pub(super) bytes: u64,
}

impl Place {
    /// What [`Place::to_blob`] made.
    pub(super) fn from_blob(blob: &Blob) -> Place {
        let number = |from: usize| {
            let bytes = blob
                .get(from..from + 8)
                .and_then(|bytes| bytes.try_into().ok());
            u64::from_be_bytes(bytes.expect("the index holds places"))
        };
        Place {
            serial: number(0),
            bytes: number(8),
        }
    }

    pub(super) fn to_blob(self) -> Blob {
        let bytes = [self.serial.to_be_bytes(), self.bytes.to_be_bytes()];
        bytes.concat().into()
    }

    /// Numbers of its items, at least one.
    pub(super) fn items(self) -> impl Iterator<Item = u64> {
        self.serial..self.serial + items(self.bytes)
    }
}

/// How many items a value of this length takes.
pub(super) fn items(bytes: u64) -> u64 {
    bytes.div_ceil(ITEM_BYTES_MAX as u64).max(1)
}

/// Bytes of value in one item. Memcached takes items of up to 1 MiB unless told otherwise, its own overhead
/// and the key included, so that our largest values would not fit into one.
pub(super) const ITEM_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_index_and_knows_its_items() {
        for (bytes, count) in [
            (0, 1),
            (1, 1),
            (512 * 1024, 1),
            (512 * 1024 + 1, 2),
            (1 << 20, 2),
        ] {
            let place = Place { serial: 7, bytes };
            assert_eq!(Place::from_blob(&place.to_blob()), place);
            let items: Vec<u64> = place.items().collect();
            assert_eq!(items, (7..7 + count).collect::<Vec<_>>());
        }
    }
}
