// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/decl"
)

func TestSeveralDisks(t *testing.T) {
	for _, c := range []struct{ args, declared, want string }{
		{"--out x.img", "a", "a=x.img"},
		{"--out x.img --out y.img", "a", "a=x.img,y.img"},
		{"--disk a --disk b --out x.img --out y.img", "a b", "a=x.img b=y.img"},
		{"--disk b --out y.img --disk a --out x.img", "a b", "b=y.img a=x.img"},
		{"--disk a --out x.img --out x.vmdk --disk b --out y.img", "a b", "a=x.img,x.vmdk b=y.img"},
		{"--out {disk}.img --out {disk}.vmdk", "a b", "a=a.img,a.vmdk b=b.img,b.vmdk"},
		{"--disk b --disk a --out {disk}.img", "a b c", "b=b.img a=a.img"},
		{"--disk a --disk a --out x.img", "a b", "a=x.img"},
		{"--out {disk}.img", "a", "a=a.img"},
		{"--out x.img", "a b", "which disk? choose with --disk: a, b"},
		{"--out {disk}.img --out x.img", "a b", "which disk?"},
		{"--disk a --disk b --out {disk}.img --out x.img", "a b", "either every --out has {disk}, or none"},
		{"--disk a --disk b --out x.img", "a b", "2 disks and 1 --out options"},
		{"--disk c --out x.img", "a b", `no disk "c" is declared (declared: a, b)`},
	} {
		var o DiskFlags
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.StringArrayVar(&o.Out, "out", nil, "")
		o.Add(f)
		if err := f.Parse(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		d := &decl.Declaration{}
		for _, id := range strings.Fields(c.declared) {
			d.Disks = append(d.Disks, &decl.Disk{ID: id})
		}
		if got := paired(&o, d); got != c.want && !strings.Contains(got, c.want) {
			t.Errorf("%s of disks %s: got %s, want %s", c.args, c.declared, got, c.want)
		}
	}
}

// paired is the assignment as DISK=OUT,OUT DISK=OUT, or the error.
func paired(o *DiskFlags, d *decl.Declaration) string {
	disks, err := o.choose(d)
	if err != nil {
		return err.Error()
	}
	pairs, err := o.pair(disks)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, p := range pairs {
		var outs []string
		for _, out := range p.Outs {
			outs = append(outs, out.Path)
		}
		all = append(all, fmt.Sprintf("%s=%s", p.Disk.ID, strings.Join(outs, ",")))
	}
	return strings.Join(all, " ")
}
