// Package uuid makes the kit's IDs. It imports the standard library alone.
package uuid

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// New makes a UUID of version 7 (RFC 9562): sortable by time, the rest random.
func New() string {
	var b [16]byte
	ms := max(time.Now().UnixMilli(), 0)
	binary.BigEndian.PutUint64(b[:8], uint64(ms)<<16) // #nosec G115 -- not negative
	_, _ = rand.Read(b[6:])                           // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
