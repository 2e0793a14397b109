// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/freshdir"
)

// output is one package of a feed that is written.
type output struct {
	path    string
	from    *Package
	control string // "" to copy the file
}

// outputs are the files of the plan. Two packages may be replaced by the same
// older one; anything else that would be written twice is an error.
func (p *Plan) outputs(changedOnly bool) ([]output, error) {
	var out []output
	seen := map[string]output{}
	for _, d := range p.Decisions {
		o := output{path: d.Package.Path(), from: d.Package}
		if d.Rewritten() {
			o.control = d.control
		}
		if d.Kept != nil {
			o = output{path: path.Join(d.Package.Dir, d.Kept.File), from: d.Kept}
		}
		if d.Kept != nil && changedOnly {
			continue
		}
		have, ok := seen[o.path]
		if ok && have != o {
			return nil, fmt.Errorf("two packages would be %s", o.path)
		}
		if !ok {
			seen[o.path] = o
			out = append(out, o)
		}
	}
	return out, nil
}

// WriteOptions say how a feed is written.
type WriteOptions struct {
	Options
	Index
	ChangedOnly bool // leave kept packages out
}

// Write writes the feed with its index to the directory dir, which must not
// exist or be empty. It appears complete or not at all.
func (p *Plan) Write(ctx context.Context, dir string, o WriteOptions) error {
	files, err := p.outputs(o.ChangedOnly)
	if err != nil {
		return err
	}
	return freshdir.Make(dir, func(tmp string) error {
		if err := writePackages(ctx, tmp, files, o.Options); err != nil {
			return err
		}
		return WriteIndex(ctx, tmp, o.Index, o.Options)
	})
}

func writePackages(ctx context.Context, dir string, files []output, o Options) error {
	total := int64(0)
	for _, f := range files {
		total += f.from.Size
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(path.Dir(f.path))), 0o755); err != nil {
			return err
		}
	}
	done := o.progress("write packages", total)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(o.Jobs, 1))
	for _, f := range files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f.write(filepath.Join(dir, filepath.FromSlash(f.path)), o.Limits); err != nil {
				return fmt.Errorf("write %s: %w", f.path, err)
			}
			done.add(f.from.Size)
			return nil
		})
	}
	return g.Wait()
}

func (f output) write(name string, l debfile.Limits) error {
	return writeFile(name, func(w io.Writer) error {
		if f.control == "" {
			return f.from.copyTo(w)
		}
		return f.from.with(l, func(d *debfile.File, _ int64) error { return d.WriteWith(w, f.control) })
	})
}

// writeFile writes a file that is not read before it is whole.
func writeFile(name string, f func(io.Writer) error) (err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriterSize(file, 64<<10)
	if err := f(w); err != nil {
		return err
	}
	return w.Flush()
}
