package plan_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/plan"
)

func TestCircles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		calls map[string][]string
		want  [][]string
	}{
		{nil, nil},
		{map[string][]string{"a": {"b", "c"}, "b": {"c"}, "c": {"c"}}, nil},
		{map[string][]string{"b": {"a"}, "a": {"b"}}, [][]string{{"a", "b"}}},
		// Of a group, the shortest way round: not the one through its first.
		{map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"d", "a"}, "d": {"c"}}, [][]string{{"c", "d"}}},
		{map[string][]string{"x": {"y"}, "y": {"z"}, "z": {"x"}, "b": {"a", "x"}, "a": {"b"}}, [][]string{{"a", "b"}, {"x", "y", "z"}}},
		{map[string][]string{"a": {"b", "b"}, "b": {"bank", "a"}}, [][]string{{"a", "b"}}},
	} {
		if diff := cmp.Diff(tt.want, plan.Circles(tt.calls)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.calls, diff)
		}
	}
	large := map[string][]string{}
	for i := range 300 {
		large[fmt.Sprint(i)] = []string{fmt.Sprint((i + 1) % 300), fmt.Sprint((7 * i) % 300)}
	}
	if got := plan.Circles(large); len(got) != 1 || len(got[0]) < 2 {
		t.Errorf("%v", got)
	}
}
