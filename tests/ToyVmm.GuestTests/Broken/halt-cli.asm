; halt-cli - the end of main, without an end
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        PRINT "hello", 10
        call serial_drain
        cli
end:    hlt

on_exception:
        jmp fail
