// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"github.com/carosio/carosbuild/pkg/disk/deflate"
	"github.com/klauspost/compress/zstd"
)

// inflateReach is the largest distance that QEMU's reader supports: it sets zlib's
// window to 4 KiB.
const inflateReach = 4096

// newEncoder returns a function that appends a cluster to dst in its stored form. A
// result of clusterSize bytes is stored uncompressed.
func newEncoder(o Options) func(dst, cluster []byte) []byte {
	var pack func(dst, cluster []byte) []byte
	switch {
	case !o.Compress:
		return func(dst, cluster []byte) []byte { return append(dst, cluster...) }
	case o.Compression == Zstd:
		level := zstd.SpeedDefault
		if o.Level > 0 {
			level = zstd.EncoderLevelFromZstd(o.Level)
		}
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(clusterSize))
		if err != nil {
			panic(err) // these options are always valid
		}
		pack = func(dst, cluster []byte) []byte { return e.EncodeAll(cluster, dst) }
	default:
		pack = deflate.New(o.Level, inflateReach)
	}
	return func(dst, cluster []byte) []byte {
		out := pack(dst, cluster)
		if len(out)-len(dst) >= clusterSize {
			return append(out[:len(dst)], cluster...)
		}
		return out
	}
}
