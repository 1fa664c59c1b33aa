; guest: hello-flat
; format: multiboot-flat
; teaches: Multiboot without ELF: the header itself says where the image goes (flag 16, the "a.out kludge")
; expect-status: 0
; expect-serial: Hello, world\n
; expect-serial: the .bss is clear\n
;
; A loader that meets flag 16 ignores the file's format and uses five addresses from the header (Multiboot 0.6.96, 3.1.3):
; the bytes from the header on go to header_addr, loading ends at load_end_addr, memory up to bss_end_addr is cleared,
; and entry_addr is where to begin. So `nasm -f bin` alone can make a kernel.

        bits 32
        org 0x200000                    ; not the usual 1 MiB, to see that the header is believed
%include "toyvmm.inc"

header: dd 0x1BADB002
        dd 1 << 16
        dd -(0x1BADB002 + (1 << 16))
        dd header                       ; header_addr
        dd header                       ; load_addr
        dd load_end                     ; load_end_addr
        dd bss_end                      ; bss_end_addr
        dd start                        ; entry_addr

start:  cld
        mov edx, COM1_LCR
        mov al, 3                       ; eight data bits
        out dx, al
        mov esi, hello
        call print
        mov edi, load_end
        mov ecx, bss_end - load_end
        xor eax, eax
        repe scasb
        mov al, 1
        jne .failed
        mov esi, clear
        call print
        mov edx, COM1_LSR
.drain: in al, dx
        test al, LSR_TEMT
        jz .drain
        mov edx, POWER_OFF
        mov eax, POWER_OFF_VALUE
        out dx, ax
        jmp .hang
.failed:
        out DEBUG_EXIT, al
.hang:  cli
        hlt
        jmp .hang

print:  lodsb
        test al, al
        jz .done
        mov ah, al
        mov edx, COM1_LSR
.wait:  in al, dx
        test al, LSR_THRE
        jz .wait
        mov edx, COM1
        mov al, ah
        out dx, al
        jmp print
.done:  ret

hello:  db "Hello, world", 10, 0
clear:  db "the .bss is clear", 10, 0
load_end:
bss_end equ load_end + 8192
