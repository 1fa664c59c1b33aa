; guest: hello
; format: raw
; teaches: the smallest guest: 16-bit code, one loop, one port, and a way to say that it is done
; expect-status: 0
; expect-serial: Hello, world\n
;
; A raw image has no header at all. ToyVmm copies it to physical address 0x7C00 and starts it there in real mode with
; CS = 0 and IP = 0x7C00 - the place where a PC's BIOS puts a boot sector, so that the same bytes also run as one.
; Nothing else may be assumed: not DS, not SS, not the direction flag.

        bits 16
        org 0x7C00
%include "toyvmm.inc"

start:  xor ax, ax
        mov ds, ax                      ; real mode: address = segment * 16 + offset (SDM 3B 20.1.1)
        cld
        mov dx, COM1_LCR
        mov al, 3                       ; eight data bits: after a reset the UART sends five (16550 data sheet, LCR)
        out dx, al
        mov si, text
.next:  lodsb                           ; AL = DS:[SI], SI = SI + 1
        test al, al
        jz done
        mov ah, al
        mov dx, COM1_LSR
.wait:  in al, dx                       ; each IN and OUT leaves the CPU for the VMM: the first "exit" to look at
        test al, LSR_THRE               ; (`--trace exits`)
        jz .wait
        mov al, ah
        mov dx, COM1
        out dx, al
        jmp .next

done:   mov dx, COM1_LSR                ; the last character has left the UART: now the plug may be pulled
.drain: in al, dx
        test al, LSR_TEMT
        jz .drain
        mov dx, POWER_OFF               ; ask for success: status 0
        mov ax, POWER_OFF_VALUE
        out dx, ax
.hang:  cli                             ; never reached where port 0x604 works
        hlt
        jmp .hang

text:   db "Hello, world", 10, 0
