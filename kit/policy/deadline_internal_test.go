package policy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadline: whoever looks, and however, sees the same end as of
// context.WithDeadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, look := range map[string]func(context.Context) error{
		"Err": func(ctx context.Context) error { time.Sleep(time.Second); return ctx.Err() },
		"Done": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"child": func(ctx context.Context) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			return context.Cause(child)
		},
		"AfterFunc": func(ctx context.Context) error {
			ended := make(chan struct{})
			context.AfterFunc(ctx, func() { close(ended) })
			<-ended
			return context.Cause(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 1))
				defer cancel()
				start := time.Now()
				d := withTimeout(parent, time.Second)
				if err := d.Err(); err != nil || d.Value(key{}) != 1 {
					t.Errorf("at first: %v, %v", err, d.Value(key{}))
				}
				if err := look(d); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second || d.Value(key{}) != 1 {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				d.end()

				d = withTimeout(parent, time.Hour)
				time.AfterFunc(time.Second/2, cancel)
				if err := look(d); !errors.Is(err, context.Canceled) {
					t.Errorf("after the parent's end: %v", err)
				}
			})
			d := withTimeout(t.Context(), time.Hour)
			time.AfterFunc(time.Millisecond, d.end)
			<-d.Done()
			if err := d.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("after its end: %v", err)
			}
			early := withTimeout(t.Context(), time.Hour)
			early.end()
			<-early.Done()
			if !errors.Is(early.Err(), context.Canceled) {
				t.Error("ended before anybody looked, it is not over")
			}
		})
	}
}
