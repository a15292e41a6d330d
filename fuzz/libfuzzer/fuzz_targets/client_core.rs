#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    kring_fuzz::Target::ClientCore.run(input);
});
