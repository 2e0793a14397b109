// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/klauspost/compress/gzip"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// Index says what index a feed gets.
type Index struct {
	// Flat asks for one index at the top; else each directory that holds
	// packages has its own, as opkg's feeds do.
	Flat bool
	// Release asks for apt's file with the sums of the index, unsigned.
	Release bool
	Date    time.Time // of Release
}

// WriteIndex writes Packages and Packages.gz for the packages below dir. Each
// file is replaced when it is whole.
func WriteIndex(ctx context.Context, dir string, x Index, o Options) error {
	packages, release, err := Scan(ctx, []string{dir}, o)
	if err != nil {
		return err
	}
	defer release() //nolint:errcheck // read only
	stanzas, err := describe(ctx, packages, o)
	if err != nil {
		return err
	}
	dirs := map[string]*bytes.Buffer{}
	for i, p := range packages {
		at, file := p.Dir, p.File
		if x.Flat {
			at, file = ".", p.Path()
		}
		if dirs[at] == nil {
			dirs[at] = &bytes.Buffer{}
		}
		fmt.Fprintf(dirs[at], "%sFilename: %s\n%s\n", stanzas[i].control, file, stanzas[i].sums)
	}
	if len(packages) == 0 {
		dirs["."] = &bytes.Buffer{}
	}
	for at, text := range dirs {
		if err := writeIndexFiles(filepath.Join(dir, filepath.FromSlash(at)), text.Bytes(), x); err != nil {
			return err
		}
	}
	return nil
}

// indexed is a package's part of an index: its own fields, and the file's.
type indexed struct{ control, sums string }

// describe hashes all packages.
func describe(ctx context.Context, packages []*Package, o Options) ([]indexed, error) {
	total := int64(0)
	for _, p := range packages {
		total += p.Size
	}
	out := make([]indexed, len(packages))
	done := o.progress("index packages", total)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(o.Jobs, 1))
	for i, p := range packages {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			m, s := md5.New(), sha256.New()
			if err := p.copyTo(io.MultiWriter(m, s)); err != nil {
				return fmt.Errorf("%s: %w", p.Path(), err)
			}
			// opkg reads MD5Sum and SHA256sum, apt MD5sum (in any case) and SHA256.
			out[i] = indexed{p.fields(), fmt.Sprintf("Size: %d\nMD5Sum: %x\nSHA256: %x\nSHA256sum: %x\n", p.Size, m.Sum(nil), s.Sum(nil), s.Sum(nil))}
			done.add(p.Size)
			return nil
		})
	}
	return out, g.Wait()
}

// ofFile are the fields that an index adds. A control file that has them lies.
var ofFile = []string{"filename", "size", "md5sum", "sha1", "sha256", "sha256sum", "sha512", "status"}

// fields is the package's control file without what the index says of the file.
func (p *Package) fields() string {
	s := slices.Clone(p.control.Fields)
	for i, f := range s {
		s[i].Value = strings.TrimRight(f.Value, " \t\n")
	}
	own := s[:0]
	for _, f := range s {
		if !slices.Contains(ofFile, strings.ToLower(f.Name)) {
			own = append(own, f)
		}
	}
	return own.String()
}

func writeIndexFiles(dir string, text []byte, x Index) error {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return err
	}
	w.ModTime = time.Unix(0, 0) // none
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	files := []indexFile{{"Packages", text}, {"Packages.gz", z.Bytes()}}
	if x.Release {
		files = append(files, indexFile{"Release", releaseFile(files, x.Date)})
	}
	for _, f := range files {
		if err := replaceFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}

type indexFile struct {
	name string
	data []byte
}

// releaseFile is apt's list of index files. The sources line must say
// trusted=yes, for nothing is signed.
func releaseFile(files []indexFile, date time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Date: %s\nMD5Sum:\n", date.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"))
	for _, f := range files {
		fmt.Fprintf(&b, " %x %d %s\n", md5.Sum(f.data), len(f.data), f.name)
	}
	b.WriteString("SHA256:\n")
	for _, f := range files {
		fmt.Fprintf(&b, " %x %d %s\n", sha256.Sum256(f.data), len(f.data), f.name)
	}
	return b.Bytes()
}

// replaceFile gives a file its content as a whole.
func replaceFile(name string, data []byte) error {
	prefix := "." + filepath.Base(name) + ".new-"
	freshfile.Sweep(filepath.Dir(name), prefix)
	f, err := freshfile.Create(filepath.Dir(name), prefix)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return freshfile.Rename(f, name, false, errors.Join(err, f.Chmod(0o644)))
}
