// SPDX-License-Identifier: MPL-2.0

// Package usernstest runs parts of a test inside the namespaces of package userns.
package usernstest
