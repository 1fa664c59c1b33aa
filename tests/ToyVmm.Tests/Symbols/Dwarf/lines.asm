bits 32
section .text
global begin
begin:
    mov eax, 1
    mov ebx, 2
    add eax, ebx
.loop:
    dec eax
    jnz .loop
    hlt
