; files.asm - the "file system": programs and a text, as they are, in the kernel's image (recipe.sh tells which; -I has their folder).

        section .rodata.files align=4096
        global embedded_files, embedded_files_end

%macro NAMED 1                          ; struct embedded_file: name, start, end; its contents from NAME.file
        [section .rodata.names]
%%name: db %1
        times 16 - ($ - %%name) db 0
        dd %%start, %%end
        __SECT__
        align 4096                      ; page by page, so that programs can be mapped where they lie
%%start:
  %strcat path %1, ".file"
        incbin path
%%end:
%endmacro

        section .rodata.names
embedded_files:
        section .rodata.files
%include "files.list"
        section .rodata.names
embedded_files_end:
