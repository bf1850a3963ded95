//! What a list's envelope is like.

use std::borrow::Cow;
use std::marker::PhantomData;

use tutti_freeclimb::page::Filter;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A page of the list that this filter filters, with elements of this kind.
pub(in crate::http) struct PageOf<F, T>(PhantomData<(F, T)>);

impl<F: Filter, T: ToSchema> ToSchema for PageOf<F, T> {
    fn name() -> Cow<'static, str> {
        let list = F::LIST;
        format!("{list}Page").into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<F: Filter, T: ToSchema> PartialSchema for PageOf<F, T> {
    fn schema() -> RefOr<Schema> {
        let numbers = ["total", "start", "end", "page", "numPages", "pageSize"];
        let page = numbers
            .into_iter()
            .fold(ObjectBuilder::new(), |page, name| {
                page.property(name, Object::with_type(Type::Integer))
                    .required(name)
            });
        let uri = SchemaType::Array(vec![Type::String, Type::Null]);
        let element = Ref::from_schema_name(T::name());
        page.property("nextPageUri", Object::with_type(uri))
            .required("nextPageUri")
            .property(F::LIST, ArrayBuilder::new().items(element))
            .required(F::LIST)
            .into()
    }
}
