package control

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/chaos"
)

// TestRetold: what the room tells and what the API has are the same JSON, both
// ways.
func TestRetold(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]any{
		{&chaos.Rehearsal{}, &api.Rehearsal{}}, {&chaos.Report{}, &api.ChaosReport{}}, {&chaos.Experiment{}, &api.Experiment{}}, {&chaos.Schedule{}, &api.ChaosSchedule{}},
	} {
		for _, way := range [][2]any{{pair[0], pair[1]}, {pair[1], pair[0]}} {
			fill(reflect.ValueOf(way[0]).Elem())
			text, err := json.Marshal(way[0])
			if err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(bytes.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(reflect.New(reflect.TypeOf(way[1]).Elem()).Interface()); err != nil {
				t.Errorf("%T as %T: %v", way[0], way[1], err)
			}
		}
	}
}

// fill gives every field a value that is not its zero.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		item := reflect.New(v.Type().Elem()).Elem()
		fill(item)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), item)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(0.5)
	}
}
