// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// header is the output of dumpe2fs -h, by field.
func header(t testing.TB, path string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(tool(t, "dumpe2fs", "-h", path)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// TestLikeMke2fs compares an empty file system with that of mke2fs, field by field
// and group by group.
func TestLikeMke2fs(t *testing.T) {
	const features = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,"
	for _, tt := range []struct {
		size   int64
		compat bool
	}{
		{40 << 20, false},
		{200 << 20, false},
		{128<<20 + 900<<12, false},
		{8 << 30, false},
		{33<<30 + 12288, false},
		{40 << 20, true},
		{8 << 30, true},
		{33<<30 + 12288, true},
	} {
		t.Run(fmt.Sprint(tt.size, tt.compat), func(t *testing.T) {
			o, size := testOptions, tt.size
			o.Size, o.Compat = size, tt.compat
			more := "64bit,metadata_csum"
			if tt.compat {
				more = "uninit_bg"
			}
			got := build(t, sorted(), o)
			want := t.TempDir() + "/mke2fs.img"
			if err := os.WriteFile(want, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(want, size); err != nil {
				t.Fatal(err)
			}
			tool(t, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-i", "16384", "-I", "256", "-L", o.Label,
				"-O", features+more,
				"-J", fmt.Sprintf("size=%d", journalBlocks(size/blockSize)*blockSize>>20),
				"-U", "01020304-0506-4708-890a-0b0c0d0e0f10", want)
			g, w := header(t, got), header(t, want)
			for _, varies := range []string{"Filesystem created", "Last write time", "Last checked", "Lifetime writes", "Directory Hash Seed", "Checksum", "Journal checksum"} {
				delete(g, varies)
				delete(w, varies)
			}
			if size > 20<<30 { // we reserve at most 1 GiB for the superuser
				delete(g, "Reserved block count")
				delete(w, "Reserved block count")
			}
			// our inode count has a reserve on small file systems; the groups'
			// lines are comparable only if the counts are equal
			if size >= 1<<30 {
				if diff := cmp.Diff(groups(t, got), groups(t, want)); diff != "" {
					t.Errorf("groups (-) differ from mke2fs's (+):\n%s", diff[:min(len(diff), 3000)])
				}
			}
			if diff := cmp.Diff(g, w); diff != "" {
				t.Errorf("superblock (-) differs from mke2fs's (+):\n%s", diff)
			}
		})
	}
}

// groups is the output of dumpe2fs about tables and inodes of each group. Which
// blocks are free depends on the journal, which mke2fs puts in the middle.
func groups(t testing.TB, path string) []string {
	_, out, _ := strings.Cut(tool(t, "dumpe2fs", path), "\n\n")
	sums := regexp.MustCompile(`,? csum 0x[0-9a-f]+|\d+ free blocks, |BLOCK_UNINIT, `)
	var lines []string
	for line := range strings.Lines(out) {
		line = sums.ReplaceAllString(strings.TrimRight(line, "\n"), "")
		if !strings.Contains(line, "Free blocks") && line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestResize grows file systems with resize2fs, within the reserve of group
// descriptors and, for the last, beyond it.
func TestResize(t *testing.T) {
	tr := randomTree(rand.New(rand.NewPCG(7, 7)), 400)
	for _, c := range []struct {
		size, to, most int64
		compat         bool
	}{
		{64 << 20, 300 << 20, 0, false},
		{200 << 20, 20 << 30, 0, false},
		{200 << 20, 20 << 30, 0, true},
		{0, 10 << 30, 12 << 30, false},
		{100 << 20, 9 << 30, 1, false},
	} {
		o := testOptions
		o.Size, o.MaxSize, o.Compat = c.size, c.most, c.compat
		o.InodeRatio = 1 << 19 // resize2fs writes the tables
		path := build(t, tr, o)
		out := tool(t, "resize2fs", "-P", path)
		m := regexp.MustCompile(`Estimated minimum size of the filesystem: (\d+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatal(out)
		}
		if least, _ := strconv.ParseInt(m[1], 10, 64); c.size > 0 && least*blockSize > c.size {
			t.Errorf("resize2fs -P: %d blocks, more than there are", least)
		}
		tool(t, "e2fsck", "-fy", path)
		if err := os.Truncate(path, c.to); err != nil {
			t.Fatal(err)
		}
		tool(t, "resize2fs", path)
		fsck(t, path)
		if got, want := header(t, path)["Block count"], fmt.Sprint(c.to/blockSize); got != want {
			t.Errorf("grown to %s blocks, want %s", got, want)
		}
		verify(t, path, tr, o)
	}
}

// TestInodeRatios has inode tables that fill whole groups, or are almost empty.
func TestInodeRatios(t *testing.T) {
	tr := randomTree(rand.New(rand.NewPCG(8, 8)), 300)
	for _, size := range []int64{600 << 20, 9<<30 + 70<<20} {
		for _, ratio := range []int64{1024, 5000, 1 << 24} {
			o := testOptions
			o.Size, o.InodeRatio = size, ratio
			path := build(t, tr, o)
			want := max(size/max(ratio, 4096), 300)
			got, err := strconv.ParseInt(header(t, path)["Inode count"], 10, 64)
			if err != nil || got < want || got > want+want/8+5000 {
				t.Errorf("size %d, ratio %d: %d inodes (%v), want about %d", size, ratio, got, err, want)
			}
			if size > 1<<30 {
				continue
			}
			tool(t, "e2fsck", "-fy", path)
			if err := os.Truncate(path, 2*size); err != nil {
				t.Fatal(err)
			}
			tool(t, "resize2fs", path)
			fsck(t, path)
		}
	}
}
