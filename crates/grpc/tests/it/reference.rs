//! The files in `proto/` are the reference of the interface: whoever reads them needs nothing else.

use prost_types::FileDescriptorProto;

const PROTO: &str = "../../proto";
/// The first words a status is named by.
const STATUSES: [&str; 6] = [
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "FAILED_PRECONDITION",
];

fn files() -> Vec<FileDescriptorProto> {
    let files = [
        "mainflux/auth.proto",
        "mainflux/users.proto",
        "keyward/checks.proto",
        "keyward/explain.proto",
    ];
    let files = protox::compile(files, [PROTO]).unwrap();
    let ours = |file: &FileDescriptorProto| ["protomfx", "auth.v1"].contains(&file.package());
    files.file.into_iter().filter(ours).collect()
}

/// The comment above what this path leads to, by the numbers of `descriptor.proto`.
fn comment<'a>(file: &'a FileDescriptorProto, path: &[i32]) -> &'a str {
    let locations = &file.source_code_info.as_ref().unwrap().location;
    let found = locations.iter().find(|location| location.path == path);
    found.map_or("", |location| location.leading_comments()).trim()
}

/// Whether it says more than the name: some words, of which the last ends a sentence.
fn says_something(comment: &str) -> bool {
    comment.ends_with(['.', '?']) && comment.split_whitespace().count() >= 2
}

#[test]
fn everything_in_the_proto_files_says_what_it_is() {
    let mut silent = Vec::new();
    for file in files() {
        let mut see = |name: String, path: &[i32]| {
            if !says_something(comment(&file, path)) {
                silent.push(name);
            }
        };
        for (m, message) in (0..).zip(&file.message_type) {
            see(message.name().to_owned(), &[4, m]);
            for (f, field) in (0..).zip(&message.field) {
                see(format!("{}.{}", message.name(), field.name()), &[4, m, 2, f]);
            }
        }
        for (e, list) in (0..).zip(&file.enum_type) {
            see(list.name().to_owned(), &[5, e]);
            for (v, value) in (0..).zip(&list.value) {
                see(value.name().to_owned(), &[5, e, 2, v]);
            }
        }
        for (s, service) in (0..).zip(&file.service) {
            see(service.name().to_owned(), &[6, s]);
            for (r, method) in (0..).zip(&service.method) {
                see(method.name().to_owned(), &[6, s, 2, r]);
            }
        }
    }
    assert!(
        silent.is_empty(),
        "these have no comment in proto/, or none that says much: {silent:?}"
    );
}

#[test]
fn every_method_says_how_it_refuses() {
    let mut silent = Vec::new();
    for file in files() {
        for (s, service) in (0..).zip(&file.service) {
            for (r, method) in (0..).zip(&service.method) {
                let comment = comment(&file, &[6, s, 2, r]);
                if !STATUSES.iter().any(|status| comment.contains(status)) {
                    silent.push(method.name().to_owned());
                }
            }
        }
    }
    assert!(silent.is_empty(), "these do not say in proto/ how they refuse: {silent:?}");
}
