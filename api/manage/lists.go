package manage

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
)

// api implements the generated interface; one file per noun.
type api struct{ *Server }

var _ wire.StrictServerInterface = (*api)(nil)

// okMessage is TikTok's.
const okMessage = "OK"

func pagingOf(page *wire.Page, size *wire.PageSize) campaign.Paging {
	p := campaign.Paging{Page: 1, PageSize: campaign.DefaultPage}
	if page != nil {
		p.Page = *page
	}
	if size != nil {
		p.PageSize = *size
	}
	return p
}

func pageInfo(p campaign.Paging, total int) wire.PageInfo {
	return wire.PageInfo{Page: p.Page, PageSize: p.PageSize, TotalNumber: total, TotalPage: (total + p.PageSize - 1) / p.PageSize}
}

// slicePage cuts a page out of a list that is short by nature, such as tokens.
func slicePage[T any](all []T, p campaign.Paging) []T {
	from := min((p.Page-1)*p.PageSize, len(all))
	return all[from:min(from+p.PageSize, len(all))]
}

// idList reads ids that the contract has checked.
func idList[T ~int64](field string, list *wire.Ids) ([]T, error) {
	if list == nil {
		return nil, nil
	}
	out := make([]T, 0, len(*list))
	for _, text := range *list {
		v, err := id.Parse[T](text)
		if err != nil {
			return nil, invalidValue(field, "MALFORMED", "not an id", text, "a decimal number of at most 19 digits")
		}
		out = append(out, v)
	}
	return out, nil
}

// oneID reads one id that the contract has checked.
func oneID[T ~int64](field, text string) (T, error) {
	v, err := id.Parse[T](text)
	if err != nil {
		return 0, invalidValue(field, "MALFORMED", "not an id", text, "a decimal number of at most 19 digits")
	}
	return v, nil
}

// statusesOf reads TikTok's primary_status.
func statusesOf(s *wire.PrimaryStatus) []campaign.OperationStatus {
	if s == nil {
		return nil
	}
	switch *s {
	case "STATUS_ALL":
		return everyStatus()
	case "STATUS_ENABLE":
		return []campaign.OperationStatus{campaign.Enable}
	case "STATUS_DISABLE":
		return []campaign.OperationStatus{campaign.Disable}
	case "STATUS_DELETE":
		return []campaign.OperationStatus{campaign.Delete}
	}
	return nil
}

func everyStatus() []campaign.OperationStatus {
	return []campaign.OperationStatus{campaign.Enable, campaign.Disable, campaign.Delete}
}

// wants reports whether a field was asked for.
func wants(fields *wire.Fields, names ...string) bool {
	return fields == nil || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(*fields, n) })
}

// project leaves only the wanted fields in each object, which are pointers but
// for the id. Unknown names are refused by name.
func project[T any](fields *wire.Fields, list []T) ([]T, error) {
	if fields == nil {
		return list, nil
	}
	kind := reflect.TypeFor[T]()
	known := make([]string, kind.NumField())
	for i := range known {
		known[i], _, _ = strings.Cut(kind.Field(i).Tag.Get("json"), ",")
	}
	for _, name := range *fields {
		if !slices.Contains(known, name) {
			return nil, invalidValue("fields", "UNKNOWN_VALUE", "no such field; there are: "+strings.Join(known, ", "), name, "")
		}
	}
	for i := range list {
		v := reflect.ValueOf(&list[i]).Elem()
		for k, name := range known {
			if f := v.Field(k); f.Kind() == reflect.Pointer && !slices.Contains(*fields, name) {
				f.SetZero()
			}
		}
	}
	return list, nil
}

func requestID(ctx context.Context) string { return callOf(ctx).requestID }

// val is the value of an optional field, or its zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// listOf makes an optional list that is written as [] rather than left out.
func listOf[T any](l []T) *[]T {
	if l == nil {
		l = []T{}
	}
	return &l
}
