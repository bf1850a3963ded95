//! Whether the descriptions are whole.

use std::collections::BTreeSet;

use super::*;
use crate::http::{apiserver, v1};

#[test]
fn every_path_tells_what_its_names_are() {
    for document in both() {
        for (path, operations) in document["paths"].as_object().unwrap() {
            let told: Vec<_> = operations["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                .collect();
            let asked: Vec<_> = path
                .split('/')
                .filter(|part| part.starts_with('{'))
                .collect();
            assert_eq!(told, asked, "{path}");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_tells_how_it_is_refused() {
    for document in both() {
        let mut names = BTreeSet::new();
        for (place, operation) in operations(&document) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} twice");
            assert!(operation["responses"]["default"].is_object(), "{place}");
            let told = operation["responses"].as_object().unwrap();
            assert!(told.keys().any(|code| code.starts_with('2')), "{place}");
        }
    }
}

#[test]
fn everything_that_is_referred_to_is_there() {
    for document in both() {
        let text = document.to_string();
        let referred = text.split("\"$ref\":\"#/").skip(1);
        let mut count = 0;
        for rest in referred {
            let pointer = format!("/{}", rest.split('"').next().unwrap());
            assert!(document.pointer(&pointer).is_some(), "{pointer}");
            count += 1;
        }
        assert!(count > 0);
    }
}

#[test]
fn all_that_freeclimbs_sdk_can_ask_of_calls_and_conferences_is_described() {
    let (_, description) = apiserver().split_for_parts();
    let document = of_freeclimb(description);
    let names: BTreeSet<_> = operations(&document)
        .map(|(_, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let of_the_sdk = "buy_a_phone_number create_a_conference create_a_queue \
        create_an_application delete_a_recording delete_an_application \
        delete_an_incoming_number dequeue_a_member dequeue_head_member \
        download_a_recording_file filter_logs get_a_call get_a_conference get_a_member \
        get_a_participant get_a_queue get_a_recording get_an_account get_an_application \
        get_an_incoming_number get_head_member list_active_queues list_all_account_logs \
        list_applications list_available_numbers list_call_logs list_call_recordings list_calls \
        list_conference_recordings list_conferences list_incoming_numbers list_members \
        list_participants list_recordings make_a_call make_a_webrtc_jwt remove_a_participant \
        stream_a_recording_file update_a_conference update_a_live_call update_a_participant \
        update_a_queue update_an_account update_an_application update_an_incoming_number";
    let of_the_sdk: BTreeSet<_> = of_the_sdk.split_whitespace().map(str::to_owned).collect();
    assert_eq!(names, of_the_sdk);
}

fn both() -> [Value; 2] {
    let (_, freeclimb) = apiserver().split_for_parts();
    let (_, own) = v1::api().split_for_parts();
    [of_freeclimb(freeclimb), of_own(own)]
}

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().unwrap().iter();
        operations
            .filter(|(method, _)| *method != "parameters")
            .map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}
