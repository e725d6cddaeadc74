package topology

import (
	"container/heap"
	"time"
)

// maxWaiting bounds the exchanges of one part that wait for others; beyond it
// the oldest wait no longer.
const maxWaiting = 1 << 10

// ended is an exchange that waits for those that ended before it and are told
// later: who calls past plat's listeners tells of it once a second.
type ended struct {
	seen Seen
	edge *edge
	at   time.Time
}

// waiting is a heap, the first that ended on top.
type waiting []ended

func (w *waiting) add(e ended) { heap.Push(w, e) }

func (w *waiting) take() ended {
	return heap.Pop(w).(ended) //nolint:errcheck,forcetypeassert // it holds nothing else
}

// Len is for heap, as what follows.
func (w waiting) Len() int { return len(w) }

// Less is for heap. Of two that ended together the one within comes first.
func (w waiting) Less(i, j int) bool {
	if w[i].at.Equal(w[j].at) {
		return w[i].seen.Time.After(w[j].seen.Time)
	}
	return w[i].at.Before(w[j].at)
}

// Swap is for heap.
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push is for heap.
func (w *waiting) Push(x any) {
	*w = append(*w, x.(ended)) //nolint:errcheck,forcetypeassert // only add calls it
}

// Pop is for heap.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	(*w)[last] = ended{}
	*w = (*w)[:last]
	return x
}
