// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"
)

// direntry is a file, directory or label in a directory.
type direntry struct {
	name    string
	short   [11]byte
	attr    byte
	cluster int64
	size    int64
	mtime   int64 // seconds since 1970, treating its time as UTC
	orphan  bool  // the preceding long name belongs to another entry
	odd     bool  // bits are set that have no meaning in FAT
}

func (d direntry) isDir() bool { return d.attr&attrDir != 0 }

// dots reports whether it is . or ..
func (d direntry) dots() bool { return d.short[0] == '.' }

const (
	entryFree    = 0xE5
	entryKanji   = 0x05 // stands for a first byte E5
	attrReadOnly = 0x01
	maxDirBytes  = maxDirEntries * dirEntrySize
)

var errBudget = errors.New("directories have more clusters than the file system")

// directory reads the bytes of a directory; cluster 0 is the root. budget is how
// many clusters may still be read.
func (f *FS) directory(cluster int64, budget *int64) ([]byte, error) {
	if cluster == 0 && f.bits != 32 {
		b := make([]byte, f.rootLen)
		if n, err := f.r.ReadAt(b, f.rootAt); n < len(b) {
			return nil, fmt.Errorf("read root directory: %w", err)
		}
		return b, nil
	}
	if cluster == 0 {
		cluster = f.rootCluster()
	}
	var out []byte
	err := f.chain(cluster, (maxDirBytes+f.cluster-1)/f.cluster, func(n int64) error {
		if *budget--; *budget < 0 {
			return errBudget
		}
		b := make([]byte, f.cluster)
		if k, err := f.r.ReadAt(b, f.offset(n)); k < len(b) {
			return fmt.Errorf("read cluster %d: %w", n, err)
		}
		out = append(out, b...)
		return nil
	})
	return out, err
}

// rootCluster is the first cluster of FAT32's root directory.
func (f *FS) rootCluster() int64 { return int64(le.Uint32(f.boot[44:])) & 0x0FFFFFFF }

// offset is the offset of a cluster, in bytes.
func (f *FS) offset(cluster int64) int64 { return f.dataAt + (cluster-2)*f.cluster }

// parseDir returns the entries in the bytes of a directory. Remains of long names
// without a short one are skipped, and orphan counts them.
func (f *FS) parseDir(b []byte) (out []direntry, orphans int) {
	var long longName
	for ; len(b) >= dirEntrySize && b[0] != 0; b = b[dirEntrySize:] {
		e := b[:dirEntrySize]
		switch {
		case e[0] == entryFree:
			orphans += long.drop()
		case e[11]&0x3F == attrLong:
			orphans += long.add(e)
		default:
			d := f.parseEntry(e)
			if name, ok := long.take(d.short); ok {
				d.name = name
			} else {
				d.orphan = long.drop() > 0
			}
			out = append(out, d)
		}
	}
	return out, orphans + long.drop()
}

// parseEntry reads a short entry.
func (f *FS) parseEntry(e []byte) direntry {
	d := direntry{short: [11]byte(e[:11]), attr: e[11], cluster: int64(le.Uint16(e[26:])), size: int64(le.Uint32(e[28:]))}
	if f.bits == 32 {
		d.cluster |= int64(le.Uint16(e[20:])) << 16
	}
	d.odd = e[12]&0x20 != 0
	d.mtime = unstamp(le.Uint16(e[24:]), le.Uint16(e[22:]))
	raw := d.short
	if raw[0] == entryKanji {
		raw[0] = entryFree
	}
	base, ext := strings.TrimRight(decode(raw[:8]), " "), strings.TrimRight(decode(raw[8:]), " ")
	if e[12]&lowerBase != 0 {
		base = strings.ToLower(base)
	}
	if e[12]&lowerExt != 0 {
		ext = strings.ToLower(ext)
	}
	d.name = base
	if ext != "" {
		d.name += "." + ext
	}
	if d.attr&attrLabel != 0 {
		d.name = strings.TrimRight(decode(raw[:]), " ")
	}
	return d
}

// codePage is the upper half of code page 437, Linux's default.
const codePage = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0"

// decode is text in the code page.
func decode(b []byte) string {
	upper := []rune(codePage)
	out := make([]rune, len(b))
	for i, c := range b {
		if out[i] = rune(c); c >= 0x80 {
			out[i] = upper[c-0x80]
		}
	}
	return string(out)
}

// unstamp is the inverse of stamp, in seconds since 1970.
func unstamp(date, clock uint16) int64 {
	return time.Date(1980+int(date>>9), time.Month(date>>5&0xF), int(date&0x1F), int(clock>>11), int(clock>>5&0x3F), int(clock&0x1F)*2, 0, time.UTC).Unix()
}

// longName collects the parts of a long name, of which the last comes first.
type longName struct {
	units []uint16
	left  int // parts that are still missing
	sum   byte
}

// add adds a part and returns how many entries this makes useless.
func (l *longName) add(e []byte) int {
	lost := 0
	no := int(e[0] &^ longLast)
	if e[0]&longLast != 0 {
		lost = l.drop()
		l.left, l.sum = no+1, e[13]
	}
	if no == 0 || no > 20 || no != l.left-1 || e[13] != l.sum {
		return lost + l.drop() + 1
	}
	l.left = no
	part := make([]uint16, longChars, longChars+len(l.units))
	for j := range part {
		part[j] = le.Uint16(e[longOffset(j):])
	}
	l.units = append(part, l.units...)
	return lost
}

// drop discards the collected parts and returns how many entries these were.
func (l *longName) drop() int {
	n := len(l.units) / longChars
	*l = longName{}
	return n
}

// take returns the name, if it is complete and belongs to the short one.
func (l *longName) take(short [11]byte) (string, bool) {
	if l.units == nil || l.left != 1 || l.sum != shortSum(short) {
		return "", false
	}
	units := l.units
	for i, c := range units {
		if c == 0 {
			units = units[:i]
			break
		}
	}
	*l = longName{}
	return string(utf16.Decode(units)), true
}

// data reads a file's content along its chain, whose runs are determined on the
// first read.
type data struct {
	f    *FS
	size int64
	runs func() ([]clusterRun, error)
}

// clusterRun is n clusters, those of a file from index at on.
type clusterRun struct{ at, cluster, n int64 }

func (f *FS) findRuns(first, size int64) ([]clusterRun, error) {
	var runs []clusterRun
	at := int64(0)
	err := f.chain(first, clustersFor(size, f.cluster), func(n int64) error {
		if k := len(runs) - 1; k >= 0 && runs[k].cluster+runs[k].n == n {
			runs[k].n++
		} else {
			runs = append(runs, clusterRun{at, n, 1})
		}
		at++
		return nil
	})
	if err == nil && at*f.cluster < size {
		err = formatError("the chain of cluster %d has %d clusters, too few for %d bytes", first, at, size)
	}
	return runs, err
}

// ReadAt implements io.ReaderAt.
func (c *data) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	runs, err := c.runs()
	if err != nil {
		return 0, err
	}
	n, end := 0, min(off+int64(len(p)), c.size)
	for _, r := range runs {
		pos, start, stop := off+int64(n), r.at*c.f.cluster, (r.at+r.n)*c.f.cluster
		if pos >= end || pos < start || pos >= stop {
			continue
		}
		b := p[n : int64(n)+min(stop, end)-pos]
		k, err := c.f.r.ReadAt(b, c.f.offset(r.cluster)+pos-start)
		n += k
		if k < len(b) {
			return n, fmt.Errorf("read cluster %d: %w", r.cluster, err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
