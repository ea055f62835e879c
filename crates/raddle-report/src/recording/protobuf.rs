//! The bytes of a protobuf message: fields of a number and a value, where a value is a number of variable length, eight bytes, or
//! so many bytes, which may be a message again. Nothing else of protobuf is needed to write a trace.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// How a value lies in the bytes: the lowest bits of a field's first number.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;

impl Message {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Seven bits a byte, the lowest first; the highest bit of a byte says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field of type uint64, uint32, bool or an enum, or int64 or int32 that is not negative.
    pub(super) fn number(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3 | VARINT);
        self.varint(value);
        self
    }

    /// A field of type fixed64.
    pub(super) fn fixed(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3 | EIGHT_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn of_length(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field of type string or bytes.
    pub(super) fn text(self, field: u64, text: &str) -> Message {
        self.of_length(field, text.as_bytes())
    }

    /// A field that is a message.
    pub(super) fn message(self, field: u64, message: &Message) -> Message {
        self.of_length(field, &message.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protobuf's own description of its bytes, and one number of each length.
    #[test]
    fn messages_are_written_as_protobuf_does() {
        assert_eq!(Message::default().number(1, 150).bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").bytes(), b"\x12\x07testing");
        let inner = Message::default().number(1, 150);
        assert_eq!(Message::default().message(3, &inner).bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().fixed(47, 1).bytes(), [0xf9, 0x02, 1, 0, 0, 0, 0, 0, 0, 0]);
        for length in 1..=10u32 {
            let most = u64::MAX >> (64 - (7 * length).min(64));
            let written = Message::default().number(1, most);
            assert_eq!(written.bytes().len(), 1 + length as usize, "{most:#x}");
            assert!(written.bytes()[1..].iter().rev().skip(1).all(|byte| *byte == 0xff));
        }
        assert_eq!(Message::default().text(1, &"x".repeat(300)).bytes()[..3], [0x0a, 0xac, 0x02]);
    }
}
