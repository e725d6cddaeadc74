package segment

import (
	"github.com/klauspost/compress/zstd"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

// window is how far back compression looks. A page's column is seldom longer,
// and memory is twice as much: with the library's own 4 MiB a file cost more
// memory than its rows.
const window = 512 << 10

// codec compresses pages as parquet-go's does, in less memory.
type codec struct {
	parquetzstd.Codec // for all else
	encoder           *zstd.Encoder
}

func newCodec(level zstd.EncoderLevel) *codec {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window),
		zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // INVARIANT: the options above are right
	}
	return &codec{encoder: e}
}

// Encode compresses src into the room of dst, where it fits.
func (c *codec) Encode(dst, src []byte) ([]byte, error) {
	return c.encoder.EncodeAll(src, dst[:0]), nil
}
