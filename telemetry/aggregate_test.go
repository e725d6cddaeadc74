package telemetry_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plat-dev/plat/telemetry"
)

func TestSketchQuantilesAreWithinItsError(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for _, most := range []float64{50, 1e3, 1e6, 1e9, 1e15, math.MaxInt64 / 2} {
		var a, b, both telemetry.Sketch
		var values []int64
		for i := range 5000 {
			v := int64(math.Pow(most, random.Float64()))
			values = append(values, v)
			if i%3 == 0 {
				a.Add(v)
			} else {
				b.Add(v)
			}
		}
		both.Merge(&a)
		both.Merge(&b)
		slices.Sort(values)
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 1} {
			want := float64(values[max(int(math.Ceil(q*5000))-1, 0)])
			got := float64(both.Quantile(q))
			if math.Abs(got-want) > 0.008*want {
				t.Errorf("up to %g, quantile %g: got %g, want %g", most, q, got, want)
			}
		}
		if both.Count != 5000 || both.Max != values[4999] {
			t.Errorf("count %d, max %d", both.Count, both.Max)
		}
	}
	var none telemetry.Sketch
	if none.Quantile(0.5) != 0 {
		t.Error("an empty sketch has a quantile")
	}
}
