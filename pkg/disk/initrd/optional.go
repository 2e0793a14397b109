// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

var (
	errNoKernel  = errors.New("no kernel in the stage")
	errNoBusybox = errors.New("install busybox-static")
)

// Spare is where busybox may be if the tree with the modules has no static one.
type Spare struct {
	Tree    *tree.Tree
	Pattern string // of paths; of several programs, the one for the modules' processor is used
}

// Unneeded says why a kernel starts without an initrd: all requested modules are
// built into it, or it has no modules. It is "" if the kernel needs one.
func Unneeded(t *tree.Tree, o Options) (string, error) {
	if len(o.Programs) > 0 {
		return "", nil
	}
	files := newLookup(t)
	version, err := kernelVersion(files, o)
	if errors.Is(err, errNoKernel) {
		if o.Searched != "" {
			return "no modules are deployed", nil
		}
		return "there are no modules, so that the kernel has to have its drivers built in", nil
	}
	if err != nil {
		return "", err
	}
	modules, err := resolve(files, version, wanted(o))
	if err != nil || len(modules) > 0 {
		return "", err
	}
	return "kernel " + version + " has built in what it needs", nil
}

func wanted(o Options) []string {
	if len(o.Modules) == 0 {
		return DefaultModules()
	}
	return o.Modules
}

// busyboxFor is the tree's busybox, or else the spare one for the processor of the
// modules.
func busyboxFor(files lookup, o Options, modules []module) ([]byte, error) {
	own, err := findBusybox(files, o.Busybox)
	if err == nil || o.Spare == nil || !errors.Is(err, errNoBusybox) {
		return own, err
	}
	paths, globErr := o.Spare.Tree.Glob(o.Spare.Pattern)
	if globErr != nil {
		return nil, fmt.Errorf("%w; and in its place: %w", err, globErr)
	}
	var spare []byte
	var machines []string
	for _, p := range paths {
		b, err := findBusybox(newLookup(o.Spare.Tree), p)
		if err != nil {
			return nil, err
		}
		machine := machineOf(b)
		if len(paths) == 1 && len(modules) == 0 || len(modules) > 0 && sameMachine(machine, modules[0].data) {
			spare = b
		}
		machines = append(machines, strings.TrimPrefix(machine.String(), "EM_"))
	}
	if spare == nil {
		return nil, fmt.Errorf("%w; and none of those that could take its place (%s, for %s) is for the processor of the modules",
			err, o.Spare.Pattern, strings.Join(machines, ", "))
	}
	return spare, nil
}

func machineOf(b []byte) elf.Machine {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return elf.EM_NONE
	}
	return f.Machine
}

// sameMachine reports whether a module is for that processor.
func sameMachine(machine elf.Machine, module []byte) bool {
	m := machineOf(module)
	return m == machine && m != elf.EM_NONE
}
