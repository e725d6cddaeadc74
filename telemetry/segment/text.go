package segment

import (
	"strings"
	"unicode/utf8"
)

// tokenHash is FNV-1a of the word in lower case, mixed.
func tokenHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b >= utf8.RuneSelf {
			return tokenHash2(strings.ToLower(s))
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h)
}

// tokenHash2 is of a word that is in lower case already.
func tokenHash2(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// bloom is a set of words: three bits each, in a number of bits that is a
// power of two, so that half of it can be laid over the other half.
type bloom []byte

const (
	bloomMost  = 8 << 10 // bytes
	bloomLeast = 64
)

func (b bloom) add(h uint64) {
	mask := uint64(len(b)*8 - 1) // #nosec G115 -- a length
	for range 3 {
		b[h&mask>>3] |= 1 << (h & 7)
		h = h>>21 | h<<43
	}
}

func (b bloom) has(h uint64) bool {
	mask := uint64(len(b)*8 - 1) // #nosec G115 -- a length
	for range 3 {
		if b[h&mask>>3]&(1<<(h&7)) == 0 {
			return false
		}
		h = h>>21 | h<<43
	}
	return true
}

// fold makes the set as small as a third of its bits allow. It works in place.
func (b bloom) fold() bloom {
	for len(b) > bloomLeast {
		half := len(b) / 2
		ones := 0
		for i := range half {
			ones += popcount(b[i] | b[i+half])
		}
		if ones*100 > half*8*35 {
			break
		}
		for i := range half {
			b[i] |= b[i+half]
		}
		b = b[:half]
	}
	return b
}

func popcount(b byte) int {
	n := 0
	for ; b != 0; b &= b - 1 {
		n++
	}
	return n
}
