//! How structures and messages become CBOR (RFC 8949): structures as maps with small integer keys, messages as
//! `[number, map]`. Two macros write the serde implementations, so that a declaration reads like the CDDL.
//!
//! Rules that hold for every structure: an unknown key is ignored, a key that stands twice is refused, a missing
//! required key is refused, an absent optional value is left out, a list beyond [`MAX_LIST`] elements is refused.

use crate::limits::MAX_LIST;

/// Declares a structure with integer keys.
///
/// `key => name: Type` is required; `key => name: Type, optional` is an `Option<Type>`; `key => name: Type, list`
/// is a `Vec<Type>` whose absence means empty.
macro_rules! structure {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            $( $(#[$field_doc:meta])* $key:literal => $field:ident : $type:ty $(, $kind:ident)? );* $(;)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $crate::wire::field_type!($type $(, $kind)?), )*
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeMap as _;
                let present = 0usize $( + usize::from($crate::wire::is_present!(self.$field $(, $kind)?)) )*;
                let mut map = serializer.serialize_map(Some(present))?;
                $(
                    if $crate::wire::is_present!(self.$field $(, $kind)?) {
                        map.serialize_entry(&($key as u8), &self.$field)?;
                    }
                )*
                map.end()
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> ::serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str(concat!("a map for ", stringify!($name)))
                    }

                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        use ::serde::de::Error as _;
                        $( let mut $field: Option<$crate::wire::value_type!($type $(, $kind)?)> = None; )*
                        while let Some(key) = map.next_key::<u64>()? {
                            match key {
                                $( $key => {
                                    if $field.replace(map.next_value()?).is_some() {
                                        return Err(A::Error::duplicate_field(stringify!($field)));
                                    }
                                } )*
                                _ => { map.next_value::<::serde::de::IgnoredAny>()?; }
                            }
                        }
                        Ok($name { $( $field: $crate::wire::take!(A, $field $(, $kind)?), )* })
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
    };
}

/// Declares a choice between structures, encoded as `[number, structure]`.
///
/// An unknown number decodes as `Self::Unknown(number)` so that the receiver can answer it.
macro_rules! choice {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $( $(#[$variant_doc:meta])* $number:literal => $variant:ident($type:ty) ),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant($type), )*
            /// A number that this version does not know.
            Unknown(u64),
        }

        $( impl From<$type> for $name {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        } )*

        impl $name {
            /// The number that stands for this choice on the wire.
            pub fn number(&self) -> u64 {
                match self {
                    $( Self::$variant(_) => $number, )*
                    Self::Unknown(number) => *number,
                }
            }

            /// The choice's name, for logs and metrics.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => stringify!($variant), )*
                    Self::Unknown(_) => "Unknown",
                }
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeTuple as _;
                let mut pair = serializer.serialize_tuple(2)?;
                pair.serialize_element(&self.number())?;
                match self {
                    $( Self::$variant(value) => pair.serialize_element(value)?, )*
                    Self::Unknown(_) => pair.serialize_element(&$crate::wire::Empty)?,
                }
                pair.end()
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> ::serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str(concat!("a number and a map for ", stringify!($name)))
                    }

                    fn visit_seq<A: ::serde::de::SeqAccess<'de>>(self, mut pair: A) -> Result<$name, A::Error> {
                        use ::serde::de::Error as _;
                        let number: u64 = pair.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                        let missing = || A::Error::invalid_length(1, &Visitor);
                        let value = match number {
                            $( $number => $name::$variant(pair.next_element()?.ok_or_else(missing)?), )*
                            _ => {
                                pair.next_element::<::serde::de::IgnoredAny>()?.ok_or_else(missing)?;
                                $name::Unknown(number)
                            }
                        };
                        if pair.next_element::<::serde::de::IgnoredAny>()?.is_some() {
                            return Err(A::Error::invalid_length(3, &self));
                        }
                        Ok(value)
                    }
                }
                deserializer.deserialize_seq(Visitor)
            }
        }
    };
}

/// The declared type of a field, as the structure holds it.
macro_rules! field_type {
    ($type:ty) => { $type };
    ($type:ty, optional) => { Option<$type> };
    ($type:ty, list) => { Vec<$type> };
}

/// The type that a present value decodes to.
macro_rules! value_type {
    ($type:ty) => { $type };
    ($type:ty, optional) => { $type };
    ($type:ty, list) => { $crate::wire::List<$type> };
}

/// Whether a field is written.
macro_rules! is_present {
    ($value:expr) => {
        true
    };
    ($value:expr, optional) => {
        $value.is_some()
    };
    ($value:expr, list) => {
        !$value.is_empty()
    };
}

/// Moves a decoded value into the structure, or says what is missing.
macro_rules! take {
    ($access:ident, $field:ident) => {
        $field.ok_or_else(|| $access::Error::missing_field(stringify!($field)))?
    };
    ($access:ident, $field:ident, optional) => {
        $field
    };
    ($access:ident, $field:ident, list) => {
        $field.map(|list| list.0).unwrap_or_default()
    };
}

/// A list as it is decoded: never longer than [`MAX_LIST`], whatever length the sender announces.
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for List<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: serde::Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a list of at most {MAX_LIST} elements")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    if list.len() == MAX_LIST {
                        return Err(serde::de::Error::invalid_length(list.len() + 1, &self));
                    }
                    list.push(element);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_seq(Visitor(std::marker::PhantomData))
    }
}

/// A structure without fields: what has nothing to say, and the body of an unknown choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Empty;

impl serde::Serialize for Empty {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        serializer.serialize_map(Some(0))?.end()
    }
}

impl<'de> serde::Deserialize<'de> for Empty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Empty;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Empty, A::Error> {
                while map.next_entry::<u64, serde::de::IgnoredAny>()?.is_some() {}
                Ok(Empty)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

pub(crate) use {choice, field_type, is_present, structure, take, value_type};

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::value::{Error, U64Deserializer};

    use super::*;
    use crate::message::{Hello, Request};

    #[test]
    fn who_finds_a_number_is_told_what_should_have_stood_there() {
        fn told<'de, T: Deserialize<'de>>() -> Option<String> {
            T::deserialize(U64Deserializer::<Error>::new(3)).err().map(|error| error.to_string())
        }
        for (told, expected) in [
            (told::<Hello>(), "a map for Hello"),
            (told::<Request>(), "a number and a map for Request"),
            (told::<List<u64>>(), "a list of at most 1024 elements"),
            (told::<Empty>(), "a map"),
        ] {
            assert_eq!(told, Some(format!("invalid type: integer `3`, expected {expected}")));
        }
    }
}
