;; Exits like `abort` in C, with a code that wasmtime calls invalid and not a word.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (call $exit (i32.const 134))))
