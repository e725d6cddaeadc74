package uuid_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/plat-dev/plat/kit/internal/uuid"
)

func TestNew(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := uuid.New()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q, seen before: %v", id, seen[id])
		}
		seen[id] = true
	}
	first := uuid.New()
	time.Sleep(2 * time.Millisecond)
	if second := uuid.New(); second <= first {
		t.Errorf("%s is not after %s", second, first)
	}
}
