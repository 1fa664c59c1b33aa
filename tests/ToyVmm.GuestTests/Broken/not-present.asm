; not-present - gates without the present bit
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        SET_GATE 6, exception_stub_6, 0x0E
        SET_GATE 11, exception_stub_11, 0x0E
        SET_GATE 8, exception_stub_8, 0x0E
crash:  ud2

on_exception:
        jmp fail
