// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkMerge reads layers of empty files, 100 per directory.
func BenchmarkMerge(b *testing.B) {
	for _, files := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(files), func(b *testing.B) {
			l := emptyFiles(b, files)
			for b.Loop() {
				tr, err := Merge(b.Context(), []Layer{l}, 0, 2)
				if err != nil || len(tr.Entries) < files {
					b.Fatal(len(tr.Entries), err)
				}
				runtime.KeepAlive(tr)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
			b.ReportMetric(float64(peakRSS(b)), "peak-bytes")
		})
	}
}

func emptyFiles(b *testing.B, n int) Layer {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "layer.tar"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	buf := bufio.NewWriterSize(f, 1<<20)
	w := tar.NewWriter(buf)
	for i := range n {
		err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: fmt.Sprintf("usr/share/many/directory-%d/file-%d", i/100, i), Mode: 0o644,
			ModTime: time.Unix(1700000000, 0), Format: tar.FormatPAX,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if err := buf.Flush(); err != nil {
		b.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return Layer{Name: "empty files", Tar: f, Size: st.Size()}
}

// peakRSS is the peak memory of the process, in bytes.
func peakRSS(b *testing.B) int64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	b.Fatal("no VmHWM")
	return 0
}
