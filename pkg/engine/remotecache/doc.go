// SPDX-License-Identifier: MPL-2.0

// Package remotecache lets a build use the results of other machines: it is an
// engine.Cache over this machine's cache and places that several machines share. A result
// found in a place stays there until a step needs it; results made here are written to the
// places while the build goes on. A place that fails or has bad content costs a warning
// and the time to execute the steps here, never a wrong result.
package remotecache
