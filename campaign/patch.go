package campaign

import (
	"reflect"
	"slices"
)

// Apply copies every field of patch that is not nil into the field of the same
// name in object, a pointer to a struct. A patch that names a field the object
// lacks is a mistake of ours and panics; a test tries them all.
func Apply[O, P any](object *O, patch P) {
	dst := reflect.ValueOf(object).Elem()
	src := reflect.ValueOf(patch)
	for i := range src.NumField() {
		if f := src.Field(i); !f.IsNil() {
			dst.FieldByName(src.Type().Field(i).Name).Set(f.Elem())
		}
	}
}

func equal[T comparable](a, b []T) bool { return slices.Equal(a, b) }
