;; Reads its input to the end, calls its host, and reads on: what comes is the answer. It is printed as the reply, or to
;; stderr with exit code 1 when the call failed.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "host" "call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "kubewarden")
  (data (i32.const 116) "fake")
  (data (i32.const 132) "v1/answer")
  (data (i32.const 148) "{\"question\":1}")
  (func $print (param $fd i32) (param $address i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $address))
    (i32.store (i32.const 4) (local.get $len))
    (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable))))
  ;; Reads stdin up to its end, seven bytes at a time, and gives the number of bytes.
  (func $read_all (param $address i32) (result i32) (local $len i32) (local $read i32)
    (loop $more
      (i32.store (i32.const 0) (i32.add (local.get $address) (local.get $len)))
      (i32.store (i32.const 4) (i32.const 7))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
      (local.set $read (i32.load (i32.const 8)))
      (local.set $len (i32.add (local.get $len) (local.get $read)))
      (br_if $more (local.get $read)))
    (local.get $len))
  (func (export "_start") (local $code i32) (local $len i32)
    (if (i32.eqz (call $read_all (i32.const 1024))) (then (unreachable)))
    (local.set $code (call $host_call
      (i32.const 100) (i32.const 10) (i32.const 116) (i32.const 4) (i32.const 132) (i32.const 9)
      (i32.const 148) (i32.const 14)))
    (local.set $len (call $read_all (i32.const 1024)))
    (call $print (i32.add (i32.const 1) (local.get $code)) (i32.const 1024) (local.get $len))
    (call $exit (local.get $code))))
