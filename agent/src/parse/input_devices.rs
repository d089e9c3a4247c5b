//! `/proc/bus/input/devices`

use rollcall_shared::wire::v1::InputDevice;

use super::text::{clean, fields, lines};

/// What people type, point and play with, sorted by name, each once; buttons of the case, sound jacks and what programs make
/// up are left out.
pub fn input_devices(bytes: &[u8]) -> Vec<InputDevice> {
    let mut found = Vec::new();
    let mut block = Block::default();
    for line in lines(bytes).chain([b"".as_slice()]) {
        match line {
            [] => found.extend(std::mem::take(&mut block).device()),
            [b'I', b':', rest @ ..] => {
                for field in fields(rest) {
                    let value = |key: &[u8]| field.strip_prefix(key).and_then(clean).map(|value| value.to_ascii_lowercase());
                    block.bus = block.bus.take().or_else(|| value(b"Bus="));
                    block.vendor = block.vendor.take().or_else(|| value(b"Vendor="));
                    block.product = block.product.take().or_else(|| value(b"Product="));
                }
            }
            [b'N', b':', rest @ ..] => {
                let name = rest.trim_ascii().strip_prefix(b"Name=").map(|name| name.strip_prefix(b"\"").unwrap_or(name));
                block.name = name.and_then(|name| clean(name.strip_suffix(b"\"").unwrap_or(name)));
            }
            [b'H', b':', rest @ ..] => block.handlers = clean(rest).unwrap_or_default(),
            [b'B', b':', rest @ ..] => {
                let rest = rest.trim_ascii();
                // The lowest word stands last.
                let bits = |key: &[u8]| u64::from_str_radix(&clean(fields(rest.strip_prefix(key)?).last()?)?, 16).ok();
                block.properties = block.properties.or_else(|| bits(b"PROP="));
                block.events = block.events.or_else(|| bits(b"EV="));
            }
            _ => {}
        }
    }
    found.sort_by(|a: &InputDevice, b| (&a.name, &a.kind, &a.product_id).cmp(&(&b.name, &b.kind, &b.product_id)));
    found.dedup();
    found
}

#[derive(Default)]
struct Block {
    name: Option<String>,
    bus: Option<String>,
    vendor: Option<String>,
    product: Option<String>,
    handlers: String,
    properties: Option<u64>,
    events: Option<u64>,
}

impl Block {
    fn device(self) -> Option<InputDevice> {
        const POINTER: u64 = 1 << 0;
        const DIRECT: u64 = 1 << 1;
        const ABSOLUTE: u64 = 1 << 3;
        /// Keys that repeat are those of a keyboard.
        const REPEATS: u64 = 1 << 20;
        let (properties, events) = (self.properties.unwrap_or(0), self.events.unwrap_or(0));
        let has = |handler: &str| self.handlers.split([' ', '=']).any(|word| word.starts_with(handler));
        let kind = if properties & DIRECT != 0 {
            "touchscreen"
        } else if properties & POINTER != 0 && events & ABSOLUTE != 0 {
            "touchpad"
        } else if has("js") {
            "joystick"
        } else if has("mouse") {
            "mouse"
        } else if has("kbd") && events & REPEATS != 0 {
            "keyboard"
        } else {
            return None;
        };
        let bus = match self.bus.as_deref()? {
            "0001" => "pci",
            "0003" => "usb",
            "0005" => "bluetooth",
            "0006" => return None,
            "0011" => "ps2",
            "0018" => "i2c",
            "0019" => "host",
            "001c" => "spi",
            "001d" => "rmi",
            "001e" => "cec",
            _ => "other",
        };
        let id = |id: Option<String>| id.filter(|id| id != "0000");
        Some(InputDevice {
            name: self.name?,
            kind: kind.to_owned(),
            bus: Some(bus.to_owned()),
            vendor_id: id(self.vendor),
            product_id: id(self.product),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: &[u8] = b"I: Bus=0019 Vendor=0000 Product=0001 Version=0000\nN: Name=\"Power Button\"\nH: Handlers=kbd event0 \nB: PROP=0\nB: EV=3\n\n\
        I: Bus=0011 Vendor=0001 Product=0001 Version=ab41\nN: Name=\"AT Translated Set 2 keyboard\"\nH: Handlers=sysrq kbd leds event1 \nB: PROP=0\nB: EV=120013\nB: KEY=402000000 3803078f800d001\n\n\
        I: Bus=0018 Vendor=06CB Product=CE65 Version=0100\nN: Name=\"SYNA8004:00 06CB:CE65 Touchpad\"\nH: Handlers=mouse1 event7 \nB: PROP=5\nB: EV=b\n\n\
        I: Bus=0003 Vendor=046d Product=c52b Version=0111\nN: Name=\"Logitech Mouse\"\nU: Uniq=a1-b2-c3\nH: Handlers=mouse0 event5 \nB: PROP=0\nB: EV=17\n\n\
        I: Bus=0003 Vendor=046d Product=c52b Version=0111\nN: Name=\"Logitech Mouse\"\nH: Handlers=mouse2 event6 \nB: PROP=0\nB: EV=17\n\n\
        I: Bus=0006 Vendor=0000 Product=0000 Version=0000\nN: Name=\"made up\"\nH: Handlers=kbd event9 \nB: EV=120013\n\n\
        I: Bus=0000 Vendor=0000 Product=0000 Version=0000\nN: Name=\"HDA Intel PCH Headphone\"\nH: Handlers=event12 \nB: EV=21\n\n";

    #[test]
    fn what_people_touch_is_told() {
        let found = input_devices(DEVICES);
        let seen: Vec<_> = found.iter().map(|d| (d.name.as_str(), d.kind.as_str(), d.bus.as_deref(), d.vendor_id.as_deref())).collect();
        assert_eq!(
            seen,
            [
                ("AT Translated Set 2 keyboard", "keyboard", Some("ps2"), Some("0001")),
                ("Logitech Mouse", "mouse", Some("usb"), Some("046d")),
                ("SYNA8004:00 06CB:CE65 Touchpad", "touchpad", Some("i2c"), Some("06cb")),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            input_devices(&bytes);
        }
    }
}
